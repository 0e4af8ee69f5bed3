"""Evaluation metrics: each class keeps sums that add up over processes; functions beside it do the math."""
