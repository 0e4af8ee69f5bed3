"""Data sets as Lightning's data modules."""
