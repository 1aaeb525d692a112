"""What makes the generated parts of the documentation: a module for each subject."""
