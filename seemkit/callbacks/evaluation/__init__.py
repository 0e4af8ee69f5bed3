"""Evaluations: metrics over a dataset, with the worst cases of each."""
