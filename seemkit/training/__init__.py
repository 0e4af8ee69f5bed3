"""What a training step is made of: the recipe, the lesson drawn from a batch, and the objective."""
