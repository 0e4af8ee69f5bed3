"""Image encoders that return feature pyramids."""
