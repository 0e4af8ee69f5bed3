"""Folders in the formats of other programs, brought into the COCO instances layout.

``labelme``, ``voc`` and ``yolo`` each read one format as a `ForeignFolder` of `AnnotatedImage`; ``convert`` writes any
of them. A reader counts what it omits in `notes`, which the summary lists; what must be a mistake is an `InputError`.
"""
