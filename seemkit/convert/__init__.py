"""Weights of other programs, brought into seemkit's own format."""
