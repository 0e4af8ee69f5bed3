"""One training step: the prompts drawn for a batch, the losses, and the optimization."""
