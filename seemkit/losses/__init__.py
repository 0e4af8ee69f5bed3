"""Losses as functions of plain tensors: masks at points, assignment, and what each group of queries must learn."""
