"""Data folders whose images are in tar files of some hundred images each, for very large data sets."""
