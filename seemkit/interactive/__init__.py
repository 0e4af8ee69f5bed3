"""The simulated user, and the interactive loop of training and evaluation."""
