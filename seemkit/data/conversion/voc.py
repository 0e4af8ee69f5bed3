"""Folders of Pascal VOC: palette PNGs of classes and of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from seemkit.data.conversion.picture import Instance, Picture, Source, image_files, read_lines, stored_image
from seemkit.data.images import open_image
from seemkit.errors import InputError
from seemkit.ops.rle import encode_mask
from seemkit.types import Size

NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog",
    "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
"""The classes with indices 1 to 20, in words that a text prompt would use."""
BACKGROUND, VOID = 0, 255
_IMAGES, _CLASSES, _OBJECTS = "JPEGImages", "SegmentationClass", "SegmentationObject"


def read(folder: Path, names: tuple[str, ...] | None, notes: Counter[str]) -> Source:
    """The images of ``ImageSets/Segmentation/{train,val}.txt``, or all that have a PNG in ``SegmentationObject``.

    An instance is one index of ``SegmentationObject``; its class is the one that most of its pixels have in
    ``SegmentationClass``. Void (255) belongs to no instance.

    Args:
        folder: for example ``VOCdevkit/VOC2012``.
        names: the classes with indices 1, 2, …; None means `NAMES`.
        notes: counts the images without masks, which are left out.

    Raises:
        InputError: naming the file, for a missing folder; when the pictures are read also for a missing or damaged
            file, PNGs that are no palette images or differ in size, and a class index without a name.
    """
    for part in (_IMAGES, _CLASSES, _OBJECTS):
        if not (folder / part).is_dir():
            raise InputError(f"{folder}: holds no folder {part}; give the folder that does, for example VOC2012")
    names = names or NAMES
    return Source(names, _pictures(folder, names, notes))


def _pictures(folder: Path, names: tuple[str, ...], notes: Counter[str]) -> Iterator[Picture]:
    used = set()
    for split, stem in _members(folder):
        image = _image_path(folder / _IMAGES, stem)
        used.add(image)
        size, save = stored_image(image)
        classes = _read_indices(folder / _CLASSES / f"{stem}.png", size, image)
        path = folder / _OBJECTS / f"{stem}.png"
        objects = _read_indices(path, size, image)
        indices = [index for index in np.unique(objects).tolist() if index not in (BACKGROUND, VOID)]
        instances = tuple(_instance(objects == index, classes, names, f"{path}: object {index}") for index in indices)
        yield Picture(image.name, path, size, save, split, instances)
    if without := len(set(image_files(folder / _IMAGES)) - used):
        notes["images that no list names, or without masks: left out"] += without


def _members(folder: Path) -> Iterator[tuple[str | None, str]]:
    """Split and name without suffix of every image; without a list for validation the split is None."""
    lists = {split: folder / "ImageSets" / "Segmentation" / f"{split}.txt" for split in ("train", "val")}
    given = {split: path for split, path in lists.items() if path.is_file()}
    for split, path in given.items():
        for stem in filter(None, map(str.strip, read_lines(path))):
            yield (split if "val" in given else None), stem
    if not given:
        stems = sorted(path.stem for path in (folder / _OBJECTS).glob("*.png"))
        if not stems:
            raise InputError(f"{folder / _OBJECTS}: holds no .png; without them no instance is known")
        yield from ((None, stem) for stem in stems)


def _image_path(folder: Path, stem: str) -> Path:
    for suffix in (".jpg", ".jpeg", ".png"):
        if (folder / f"{stem}{suffix}").is_file():
            return folder / f"{stem}{suffix}"
    raise InputError(f"{folder / stem}.jpg: no such image, but a mask or a list names it; add it")


def _read_indices(path: Path, size: Size, image: Path) -> NDArray[np.uint8]:
    """The indices uint8 [H, W] of a PNG."""
    png = open_image(path)
    if png.mode not in ("P", "L"):
        raise InputError(f"{path}: has mode {png.mode}; it must have one index a pixel (mode P or L)")
    if png.size != (size.width, size.height):
        raise InputError(
            f"{path}: is {png.width} by {png.height} pixels but {image.name} is {size.width} by {size.height}; "
            "make them equal"
        )
    return np.array(png, dtype=np.uint8)


def _instance(mask: NDArray[np.bool_], classes: NDArray[np.uint8], names: tuple[str, ...], where: str) -> Instance:
    counts = np.bincount(classes[mask], minlength=256)
    counts[[BACKGROUND, VOID]] = 0
    index = int(counts.argmax())
    if not counts.any():
        raise InputError(f"{where}: has no class in {_CLASSES}; draw it there too")
    if index > len(names):
        raise InputError(f"{where}: has class {index} but there are {len(names)} names; give all with --names")
    return Instance(names[index - 1], encode_mask(torch.from_numpy(mask)))
