"""One image or one video, and what is said of it."""
