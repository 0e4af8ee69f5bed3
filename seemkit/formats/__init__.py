"""Results in the file formats that other programs read, and as the objects of other libraries."""
