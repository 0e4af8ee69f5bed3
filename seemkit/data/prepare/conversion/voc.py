"""Folders of Pascal VOC: palette PNGs of classes and of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from seemkit.data.interactive.voc_maps import (
    CLASSES,
    IMAGES,
    LISTS,
    NAMES,
    OBJECTS,
    IndexMap,
    class_of,
    object_indices,
    read_map,
)
from seemkit.data.prepare.conversion.annotated_image import (
    AnnotatedImage,
    ForeignFolder,
    Instance,
    image_files,
    note_unread,
    stored_image,
)
from seemkit.errors import InputError
from seemkit.io.folder import visible
from seemkit.io.image import check_equal_size
from seemkit.io.text_file import read_entries
from seemkit.ops.rle import encode_mask
from seemkit.types import Size


def read(folder: Path, names: tuple[str, ...] | None, notes: Counter[str]) -> ForeignFolder:
    """Return the images of ``ImageSets/Segmentation/{train,val}.txt``, else all with a PNG in ``SegmentationObject``.

    An instance is one index of ``SegmentationObject``; its class is the most frequent class of its pixels in
    ``SegmentationClass``. Void (255) belongs to no instance.

    Args:
        folder: the folder of one year, for example ``VOCdevkit/VOC2012``.
        names: the class names of the indices 1, 2, …; None means `NAMES`.
        notes: counts the skipped images, which no list names or which have no masks.

    Raises:
        InputError: a folder is missing. During iteration: a file is missing or damaged, a PNG is not a palette image or
            has another size, or a class index has no name. The message names the file.
    """
    for part in (IMAGES, CLASSES, OBJECTS):
        if not (folder / part).is_dir():
            raise InputError(f"{folder}: holds no folder {part}; give the folder that contains it, for example VOC2012")
    names = names or NAMES
    return ForeignFolder(names, _pictures(folder, names, notes))


def _pictures(folder: Path, names: tuple[str, ...], notes: Counter[str]) -> Iterator[AnnotatedImage]:
    used = set()
    for split, stem in _members(folder):
        image = _image_path(folder / IMAGES, stem)
        used.add(image)
        size, save = stored_image(image)
        path = folder / OBJECTS / f"{stem}.png"
        classes, objects = _read_map(folder / CLASSES / path.name, size, image), _read_map(path, size, image)
        instances = tuple(
            _instance(objects, index, classes, names, f"{path}: object {index}") for index in object_indices(objects)
        )
        yield AnnotatedImage(image.name, path, size, save, split, instances)
    note_unread(folder / IMAGES, notes)
    if without := len(set(image_files(folder / IMAGES)) - used):
        notes["images that no list names, or without masks: skipped"] += without


def _members(folder: Path) -> Iterator[tuple[str | None, str]]:
    """Yield split and name without suffix of every image; the split is None without a list for validation."""
    lists = {split: folder / LISTS / f"{split}.txt" for split in ("train", "val")}
    given = {split: path for split, path in lists.items() if path.is_file()}
    for split, path in given.items():
        for stem in read_entries(path):
            yield (split if "val" in given else None), stem
    if not given:
        stems = [path.stem for path in visible((folder / OBJECTS).glob("*.png"))]
        if not stems:
            raise InputError(f"{folder / OBJECTS}: holds no .png; add the PNGs of the objects")
        yield from ((None, stem) for stem in stems)


def _image_path(folder: Path, stem: str) -> Path:
    for suffix in (".jpg", ".jpeg", ".png"):
        if (folder / f"{stem}{suffix}").is_file():
            return folder / f"{stem}{suffix}"
    raise InputError(f"{folder / stem}.jpg: no such image, but a mask or a list names it; add the image")


def _read_map(path: Path, size: Size, image: Path) -> IndexMap:
    indices = read_map(path)
    check_equal_size(path, Size(*indices.shape), image, size)
    return indices


def _instance(objects: IndexMap, index: int, classes: IndexMap, names: tuple[str, ...], where: str) -> Instance:
    found = class_of(objects, index, classes, where)
    if found > len(names):
        raise InputError(f"{where}: has class {found}, but only {len(names)} names are given; give all with --names")
    return Instance(names[found - 1], encode_mask(torch.from_numpy(objects == index)))
