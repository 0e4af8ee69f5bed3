"""The data sets on which clicks are counted."""
