"""Reading, checking and writing of single files."""
