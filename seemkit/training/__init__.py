"""One training step: what is sampled from a batch, what the network must learn, and how it is optimized."""
