"""Evaluations: which number, over which data, and what it was worst at."""
