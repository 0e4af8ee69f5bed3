"""The simulated user, and the one interactive loop of training and evaluation."""
