"""Losses as functions of plain tensors: mask losses at points, assignment, and the losses of each query group."""
