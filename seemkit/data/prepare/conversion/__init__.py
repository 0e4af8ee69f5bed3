"""Conversion of the formats of other programs to the COCO instances layout.

``labelme``, ``voc`` and ``yolo`` each read one format as a `ForeignFolder` of `AnnotatedImage`; ``convert`` writes any
of them. A reader counts what it skips in `notes`, which the summary lists. A clear mistake is an `InputError`.
"""
