"""One file: read, checked and written whole."""
