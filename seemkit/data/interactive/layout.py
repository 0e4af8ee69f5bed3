"""The common interface of the interactive datasets: images, each with a file of its objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Bool, Integer
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.image import check_equal_size, header_size
from seemkit.types import Vocabulary


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of an image and its objects.

    Attributes:
        image: file of the image.
        annotation: file of the objects: a mask, a map of indices, or another form, depending on the layout.
    """

    image: Path
    annotation: Path


@dataclass(frozen=True, slots=True)
class ObjectMap:
    """The objects of one image, which do not overlap.

    Attributes:
        indices: object index of each pixel; an index that is not in `labels` is no object.
        labels: label of each object by its index, ascending; a label is a position in the layout's vocabulary.
        ignored: pixels that the evaluation ignores, or None.
    """

    indices: Integer[Tensor, "H W"]
    labels: Mapping[int, int]
    ignored: Bool[Tensor, "H W"] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder layout of a dataset.

    Attributes:
        vocabulary: classes of the dataset.
        find: function that lists the images of a folder without decoding them; it raises InputError for a missing file
            and for an annotation whose header gives another size than its image.
        read: function that returns the objects of one image, at its size; it raises InputError for a faulty annotation.
    """

    vocabulary: Vocabulary
    find: Callable[[Path], list[Pair]]
    read: Callable[[Pair], ObjectMap]


def things(*names: str) -> Vocabulary:
    """Return a vocabulary of things with these names."""
    return Vocabulary(names, (True,) * len(names))


def require_folders(root: Path, *parts: str) -> None:
    """Raise InputError unless `root` contains the folders `parts`.

    Raises:
        InputError: a folder is missing.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; check root")
    for part in parts:
        if not (root / part).is_dir():
            raise InputError(f"{root}: holds no folder {part}; check root and name")


def require_file(path: Path, list_path: Path) -> Path:
    """Return the path of a listed file if the file exists.

    Raises:
        InputError: the file is missing.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, but {list_path} lists it; add it")
    return path


def check_headers(drawn: Path, image: Path) -> None:
    """Raise InputError unless two image files have the same size, judged by their headers.

    Raises:
        InputError: the sizes differ, or a file is missing or not an image.
    """
    check_equal_size(drawn, header_size(drawn), image, header_size(image))
