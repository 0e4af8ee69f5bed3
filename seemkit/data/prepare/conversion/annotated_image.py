"""What the readers of the formats give to the writer: images with their instances."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image, ImageOps

from seemkit.errors import InputError
from seemkit.io.image import SUFFIXES, open_image
from seemkit.io.text_file import read_entries
from seemkit.types import Size

Segmentation: TypeAlias = list[list[float]] | dict[str, Any]
"""Polygons as x0, y0, x1, y1, … in pixels, or compressed run lengths, as COCO writes them."""

NO_CLASSES = ("__ignore__", "_background_")
"""Names by which lists of classes, for example labelme's, mean no class."""
_ORIENTATION = 0x0112
_UPRIGHT = 1
_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of an image.

    Attributes:
        label: its class name.
        segmentation: its pixels; polygons lie in the image.
    """

    label: str
    segmentation: Segmentation


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image with its instances.

    Attributes:
        name: where to write it below the split's folder, with "/" between folders.
        source: the file that it is read from, for messages.
        size: of the image as `save` writes it.
        save: writes the image file to a path.
        split: the one that the source gives it; None if the source gives none.
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
    """A folder of another format.

    Attributes:
        names: the class names in the order of their categories; None takes the labels that occur, sorted.
        pictures: the images; each is read when the iterator comes to it.
    """

    names: tuple[str, ...] | None
    pictures: Iterator[AnnotatedImage]


def stored_image(path: Path) -> tuple[Size, Callable[[Path], object]]:
    """The size of an image file, and what writes it to another path.

    Programs show an image as its EXIF orientation says, and polygons are drawn on what they show, while data sets are
    read as stored: a file with an orientation is therefore saved anew, turned. All others are copied as they are.

    Raises:
        InputError: the file is missing or damaged.
    """
    image = open_image(path)
    if image.getexif().get(_ORIENTATION, _UPRIGHT) == _UPRIGHT:
        return Size(image.height, image.width), partial(shutil.copyfile, path)
    upright = ImageOps.exif_transpose(image)
    return Size(upright.height, upright.width), partial(_save_upright, path)


def image_files(folder: Path) -> list[Path]:
    """All image files in a folder and its subfolders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def read_names(path: Path) -> tuple[str, ...]:
    """The class names in a text file, one a line; blank lines and `NO_CLASSES` are left out.

    Raises:
        InputError: the file cannot be read, names no class, or one twice.
    """
    return check_names([name for name in read_entries(path) if name not in NO_CLASSES], str(path))


def check_names(names: list[str], where: str) -> tuple[str, ...]:
    """The class names, if there are any and none occurs twice."""
    if not names:
        raise InputError(f"{where}: names no class; write one name a line, or a list")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{where}: class {name!r} occurs twice; give each class its own name")
    return tuple(names)


def _save_upright(path: Path, target: Path) -> None:
    with Image.open(path) as image:
        form = image.format
        ImageOps.exif_transpose(image).save(target, format=form, quality=_QUALITY)
