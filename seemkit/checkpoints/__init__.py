"""Weights: find, read, rename and write them."""
