"""COCO's annotations: panoptic maps, instances, LVIS masks, grounded phrases."""
