"""From a recorded change to everyone who asked to be told."""
