"""The maps of Pascal VOC: PNGs with one class or object index per pixel.

Source: the development kit of VOC2012. The PNGs have a palette; the value of a pixel is its index, not its color.
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
"""The classes with indices 1 to 20, as a text prompt would name them."""
BACKGROUND, VOID = 0, 255
IMAGES, CLASSES, OBJECTS = "JPEGImages", "SegmentationClass", "SegmentationObject"
LISTS = "ImageSets/Segmentation"
"""Folder of the lists of image names, such as ``val.txt``."""

IndexMap: TypeAlias = NDArray[np.uint8]
"""One index per pixel, uint8 [H, W]."""


def read_map(path: Path) -> IndexMap:
    """Return the indices uint8 [H, W] of a PNG.

    Raises:
        InputError: the PNG is missing, damaged, or has colors instead of indices.
    """
    png = open_image(path)
    if png.mode not in ("P", "L"):
        raise InputError(f"{path}: has mode {png.mode}; it must have one index per pixel (mode P or L)")
    return np.array(png, dtype=np.uint8)


def object_indices(objects: IndexMap) -> list[int]:
    """Return the indices of the objects in a map, ascending."""
    return [index for index in np.unique(objects).tolist() if index not in (BACKGROUND, VOID)]


def class_of(objects: IndexMap, index: int, classes: IndexMap, where: str) -> int:
    """Return the class index, 1 to 254, that most pixels of an object have; in a tie, the lowest.

    Args:
        objects: map of object indices.
        index: index of the object.
        classes: map of class indices, of the same size.
        where: file and object, for messages.

    Raises:
        InputError: no pixel of the object has a class.
    """
    counts = np.bincount(classes[objects == index], minlength=VOID + 1)
    counts[[BACKGROUND, VOID]] = 0
    if not counts.any():
        raise InputError(f"{where}: has no class in {CLASSES}; draw it there too")
    return int(counts.argmax())
