"""Data sets as images and targets: readers, transforms, samplers and Lightning data modules."""
