"""Predictions for one image or one video."""
