"""Post-processing: panoptic, instance and semantic results from queries, at the size of the image."""
