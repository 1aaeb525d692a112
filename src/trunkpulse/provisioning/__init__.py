"""What administrators make through the API beside what the file declares: kept, and put to work."""
