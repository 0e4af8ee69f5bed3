"""Measures of quality: each class keeps sums that add up over processes, a function beside it does the math."""
