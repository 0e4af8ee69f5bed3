"""RefCOCO, RefCOCO+ and RefCOCOg."""
