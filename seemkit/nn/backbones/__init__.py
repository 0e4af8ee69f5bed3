"""Image encoders as feature pyramids."""
