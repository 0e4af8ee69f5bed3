"""Folders of Ultralytics YOLO for segmentation: a data.yaml, images, and text files with polygons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seemkit.data.prepare.conversion.annotated_image import (
    AnnotatedImage,
    ForeignFolder,
    Instance,
    check_names,
    image_files,
    note_unread,
    stored_image,
)
from seemkit.data.prepare.conversion.geometry import polygon
from seemkit.errors import InputError
from seemkit.io.folder import visible
from seemkit.io.text_file import read_entries, read_lines
from seemkit.types import Size

SPLITS = ("train", "val", "test")
_FAR = 1.0  # in image sides: a coordinate farther outside the image is not normalized


def read(source: Path, names: tuple[str, ...] | None, notes: Counter[str]) -> ForeignFolder:
    """Return the images of the splits train, val and test of a data.yaml.

    A split is a folder of images, a text file that lists images, or a list of these. The polygons of
    ``images/…/x.jpg`` are in ``labels/…/x.txt``, one object per line: ``class x1 y1 x2 y2 …`` with coordinates 0..1.

    Args:
        source: the YAML, or a folder that holds ``data.yaml`` or exactly one YAML.
        names: the class names of the indices 0, 1, …; None means those of the YAML.
        notes: counts clipped polygons and images without a label file, which are kept without objects.

    Raises:
        InputError: the YAML is missing, is invalid or has no class names. During iteration: the YAML has no images, an
            image is missing or damaged, a class index has no name, or a line is not a polygon. The message names file
            and field.
    """
    path = _yaml_path(source)
    content = _read_yaml(path)
    known = dict(enumerate(names)) if names else _read_names(content, path)
    ordered = tuple(known[index] for index in sorted(known))
    return ForeignFolder(ordered, _pictures(content, path, known, notes))


def _yaml_path(source: Path) -> Path:
    if source.is_file():
        return source
    found = visible([*source.glob("*.yaml"), *source.glob("*.yml")])
    if (source / "data.yaml") in found:
        return source / "data.yaml"
    if len(found) != 1:
        raise InputError(f"{source}: holds no data.yaml; give the YAML that names classes and image folders")
    return found[0]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        # every value stays as it is written: a class may be called "no" or "01"
        content = yaml.load("\n".join(read_lines(path)), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not valid YAML ({' '.join(str(error).split())}); correct it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; write a map with 'names', 'train' and 'val'")
    return content


def _read_names(content: dict[str, Any], path: Path) -> dict[int, str]:
    """Return the class name of each index."""
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(str(index).isdecimal() for index in names):
        raise InputError(f"{path}: 'names' must be a list of class names or a map from index to name; correct it")
    return dict(
        zip(map(int, names), check_names([str(name) for name in names.values()], f"{path}: 'names'"), strict=True)
    )


def _pictures(
    content: dict[str, Any], path: Path, names: dict[int, str], notes: Counter[str]
) -> Iterator[AnnotatedImage]:
    if not content.get("train") and not content.get("val"):
        raise InputError(f"{path}: has neither 'train' nor 'val'; give a folder of images")
    has_val = bool(content.get("val"))
    for split in SPLITS:
        for image, place in _members(content, split, path, notes):
            size, save = stored_image(image)
            label_path = _label_path(image)
            instances: tuple[Instance, ...] = ()
            if label_path.is_file():
                instances = tuple(_instances(label_path, names, size, notes))
            else:
                notes["images without a label file: kept, without objects"] += 1
            yield AnnotatedImage(place, image, size, save, split if has_val or split == "test" else None, instances)


def _members(content: dict[str, Any], split: str, path: Path, notes: Counter[str]) -> Iterator[tuple[Path, str]]:
    """Yield the images of a split, and their names relative to the folder of the split."""
    values = content.get(split) or []
    for value in values if isinstance(values, list) else [values]:
        place = _found(content, str(value), split, path)
        if place.is_dir():
            images = image_files(place)
            note_unread(place, notes)
            if not images:
                raise InputError(f"{path}: '{split}': {place} holds no image; correct the path")
            yield from ((image, image.relative_to(place).as_posix()) for image in images)
        else:
            for line in read_entries(place):
                yield place.parent / line, Path(line).name


def _found(content: dict[str, Any], value: str, split: str, path: Path) -> Path:
    """Return the folder or list of a split. Roboflow writes ``../train/images`` for a folder beside the YAML."""
    bases = (path.parent / str(content.get("path") or ""), path.parent)
    places = [base / name for name in (value, value.removeprefix("../")) for base in bases]
    for place in places:
        if place.exists():
            return place
    raise InputError(f"{path}: '{split}': {places[0]}: no such folder or file; correct 'path' or '{split}'")


def _label_path(image: Path) -> Path:
    """Return the label file of an image: the last folder ``images`` in its path becomes ``labels``."""
    parts = list(image.parent.parts)
    for index in reversed(range(len(parts))):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts) / f"{image.stem}.txt"


def _instances(path: Path, names: dict[int, str], size: Size, notes: Counter[str]) -> Iterator[Instance]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            label, *values = map(float, line.split())
        except ValueError as error:
            raise InputError(f"{where}: holds something other than numbers; write 'class x1 y1 x2 y2 …'") from error
        if label not in names:
            raise InputError(
                f"{where}: class {label:g} is not in 'names', which has {len(names)} names from 0 on; correct it"
            )
        if len(values) < 6 or len(values) % 2:
            raise InputError(
                f"{where}: has {len(values)} coordinates; write x and y of at least 3 points (4 coordinates are a box, "
                "which has no mask)"
            )
        points = np.array(values).reshape(-1, 2)
        if not (np.isfinite(points).all() and (abs(points - 0.5) <= 0.5 + _FAR).all()):
            raise InputError(
                f"{where}: has coordinates far from 0..1; divide x by the image's width and y by its height"
            )
        yield Instance(names[int(label)], polygon(points * (size.width, size.height), size, notes))
