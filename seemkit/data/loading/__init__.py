"""Order, transforms and loaders: the way from a data set to batches."""
