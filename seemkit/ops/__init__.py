"""Small functions on coordinates, regions and masks."""
