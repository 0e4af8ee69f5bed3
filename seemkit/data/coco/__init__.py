"""Readers of COCO annotations: panoptic maps, instances, LVIS masks, grounded phrases."""
