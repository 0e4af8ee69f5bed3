"""Pascal VOC 2012: all objects of each image, with void pixels ignored.

An object is one index of ``SegmentationObject``. RITM and SEEM use the gray level of the index's color instead, which
merges the objects 1 and 16, 3 and 18, 6 and 21, 9 and 24 of an image.
"""

from __future__ import annotations

from pathlib import Path

import torch

from seemkit.data.interactive.layout import (
    Layout,
    ObjectMap,
    Pair,
    check_headers,
    require_file,
    require_folders,
    things,
)
from seemkit.data.interactive.voc_maps import (
    CLASSES,
    IMAGES,
    LISTS,
    NAMES,
    OBJECTS,
    VOID,
    class_of,
    object_indices,
    read_map,
)
from seemkit.errors import InputError
from seemkit.io.image import check_equal_size
from seemkit.io.text_file import read_entries
from seemkit.types import Size

SPLIT = "val"


def _find(root: Path) -> list[Pair]:
    """Return the images of ``ImageSets/Segmentation/val.txt``, each with its map of objects."""
    require_folders(root, IMAGES, OBJECTS, CLASSES)
    list_path = root / LISTS / f"{SPLIT}.txt"
    pairs = []
    for name in read_entries(list_path):
        image = require_file(root / IMAGES / f"{name}.jpg", list_path)
        maps = [require_file(root / part / f"{name}.png", list_path) for part in (OBJECTS, CLASSES)]
        for path in maps:
            check_headers(path, image)
        pairs.append(Pair(image, maps[0]))
    if not pairs:
        raise InputError(f"{list_path}: lists no image; write one name per line")
    return pairs


def _read(pair: Pair) -> ObjectMap:
    """Return the objects of an image; the class of an object is that of most of its pixels."""
    objects, path = read_map(pair.annotation), pair.annotation.parents[1] / CLASSES / pair.annotation.name
    classes = read_map(path)
    check_equal_size(path, Size(*classes.shape), pair.annotation, Size(*objects.shape))
    labels = {}
    for index in object_indices(objects):
        where = f"{pair.annotation}: object {index}"
        found = class_of(objects, index, classes, where)
        if found > len(NAMES):
            raise InputError(f"{where}: has class {found} in {CLASSES}; classes are 1 to {len(NAMES)}")
        labels[index] = found - 1
    indices = torch.from_numpy(objects)
    return ObjectMap(indices, labels, indices == VOID)


VOC = Layout(things(*NAMES), _find, _read)
"""Pascal VOC 2012 (Everingham et al., IJCV 2010), validation split of the segmentation task: 1449 images."""
