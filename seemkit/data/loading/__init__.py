"""Order, transforms and loaders: from a data set to batches."""
