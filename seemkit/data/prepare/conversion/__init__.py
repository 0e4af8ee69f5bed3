"""Folders in the formats of other programs, brought into the COCO instances layout.

``labelme``, ``voc`` and ``yolo`` each read one format as a `Source` of `Picture`; ``writer`` writes any of them. What a
reader leaves out it counts in `notes`, which the summary lists; what cannot be meant so is an `InputError`.
"""
