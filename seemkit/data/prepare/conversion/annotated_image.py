"""What the format readers pass to the writer: images with their instances."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from seemkit.errors import InputError
from seemkit.io.folder import visible
from seemkit.io.image import CAMERA_SUFFIXES, SUFFIXES, open_image, turn_upright
from seemkit.io.text_file import read_entries
from seemkit.types import Size

Segmentation: TypeAlias = list[list[float]] | dict[str, Any]
"""Polygons x0, y0, x1, y1, … in pixels, or compressed run lengths, as in COCO."""

NO_CLASSES = ("__ignore__", "_background_")
"""Names in class lists, for example of labelme, that are not classes."""
_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of an image.

    Attributes:
        label: class name.
        segmentation: its pixels; polygons are inside the image.
    """

    label: str
    segmentation: Segmentation


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image with its instances.

    Attributes:
        name: path of the image to write, relative to the folder of its split, with "/" between folders.
        source: the file to name in messages.
        size: size of the image as `save` writes it.
        save: writes the image file to a path.
        split: the split that the source assigns, or None.
        instances: its objects.
    """

    name: str
    source: Path
    size: Size
    save: Callable[[Path], object]
    split: str | None
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class ForeignFolder:
    """A folder in another format.

    Attributes:
        names: class names in the order of their categories; None means the labels that occur, sorted.
        pictures: the images; each is read when the iterator reaches it.
    """

    names: tuple[str, ...] | None
    pictures: Iterator[AnnotatedImage]


def stored_image(path: Path) -> tuple[Size, Callable[[Path], object]]:
    """Return the size of an image file and a function that writes it to another path.

    Annotation programs rotate an image by its EXIF orientation and draw polygons on the result, but data sets are read
    as stored. So an image with an orientation is saved upright, and all others are copied unchanged.

    Raises:
        InputError: the file is missing or damaged.
    """
    image = open_image(path)
    upright = turn_upright(image)
    if upright is image:
        return Size(image.height, image.width), partial(shutil.copyfile, path)
    return Size(upright.height, upright.width), partial(_save_upright, path)


def image_files(folder: Path) -> list[Path]:
    """Return all image files in a folder and its subfolders, sorted, without hidden ones."""
    return [path for path in visible(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]


def note_unread(folder: Path, notes: Counter[str]) -> None:
    """Count the photographs of a folder that are in no format that is read, and not beside an image of their name."""
    read = {path.with_suffix("") for path in image_files(folder)}
    for path in visible(folder.rglob("*")):
        if path.suffix.lower() in CAMERA_SUFFIXES and path.with_suffix("") not in read:
            notes[f"{path.suffix[1:].upper()} files, which are not read: skipped; save them as JPEG or PNG"] += 1


def read_names(path: Path) -> tuple[str, ...]:
    """Return the class names in a text file, one per line; blank lines and `NO_CLASSES` are skipped.

    Raises:
        InputError: the file cannot be read, names no class, or names a class twice.
    """
    return check_names([name for name in read_entries(path) if name not in NO_CLASSES], str(path))


def check_names(names: list[str], where: str) -> tuple[str, ...]:
    """Return the class names; raise InputError if the list is empty or a name occurs twice."""
    if not names:
        raise InputError(f"{where}: names no class; write one name per line, or a list")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{where}: class {name!r} occurs twice; give each class its own name")
    return tuple(names)


def _save_upright(path: Path, target: Path) -> None:
    with Image.open(path) as image:
        form = image.format
        turn_upright(image).save(target, format=form, quality=_QUALITY)
