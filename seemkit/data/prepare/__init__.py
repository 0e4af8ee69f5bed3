"""Before training: check, convert and pack folders of images."""
