"""One file per step; each names the step it follows."""
