"""The maps of Pascal VOC: PNGs with one index a pixel, of its class or of its object.

Source: the development kit of VOC2012. Its PNGs have a palette; the index of a pixel counts, never its color.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from seemkit.errors import InputError
from seemkit.io.image import open_image

NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog",
    "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
"""The classes with indices 1 to 20, in words that a text prompt would use."""
BACKGROUND, VOID = 0, 255
IMAGES, CLASSES, OBJECTS = "JPEGImages", "SegmentationClass", "SegmentationObject"
LISTS = "ImageSets/Segmentation"
"""The folder of the lists of names, such as ``val.txt``."""

IndexMap: TypeAlias = NDArray[np.uint8]
"""One index a pixel, [H, W]."""


def read_map(path: Path) -> IndexMap:
    """The indices uint8 [H, W] of a PNG.

    Raises:
        InputError: it is missing, damaged, or has no indices but colors.
    """
    png = open_image(path)
    if png.mode not in ("P", "L"):
        raise InputError(f"{path}: has mode {png.mode}; it must have one index a pixel (mode P or L)")
    return np.array(png, dtype=np.uint8)


def object_indices(objects: IndexMap) -> list[int]:
    """The indices of the objects in a map, ascending."""
    return [index for index in np.unique(objects).tolist() if index not in (BACKGROUND, VOID)]


def class_of(objects: IndexMap, index: int, classes: IndexMap, where: str) -> int:
    """The class index, at least 1, that most pixels of an object have; of equally many, the lowest.

    Args:
        objects: one index an object.
        index: of the object.
        classes: one index a class, of the same size.
        where: file and object, for messages.

    Raises:
        InputError: none of its pixels has a class.
    """
    counts = np.bincount(classes[objects == index], minlength=VOID + 1)
    counts[[BACKGROUND, VOID]] = 0
    if not counts.any():
        raise InputError(f"{where}: has no class in {CLASSES}; draw it there too")
    return int(counts.argmax())
