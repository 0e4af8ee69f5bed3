"""The RefCOCO, RefCOCO+ and RefCOCOg datasets."""
