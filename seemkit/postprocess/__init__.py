"""From queries to maps: panoptic, instance and semantic results at the size of the image."""
