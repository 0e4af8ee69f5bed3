"""Weights: found, read, renamed and written."""
