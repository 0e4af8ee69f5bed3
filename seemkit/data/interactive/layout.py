"""What the data sets on which clicks are counted have in common: images, and beside each a file of its objects."""

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
    """An image and the file that tells its objects.

    Attributes:
        image: its file.
        annotation: a mask, a map of indices, or whatever the layout has.
    """

    image: Path
    annotation: Path


@dataclass(frozen=True, slots=True)
class ObjectMap:
    """The objects of one image, which do not overlap.

    Attributes:
        indices: which object each pixel belongs to; indices that are not in `labels` mean none.
        labels: of each object by its index, ascending; a label is a position in the vocabulary of the layout.
        ignored: pixels that are not judged; None means that there are none.
    """

    indices: Integer[Tensor, "H W"]
    labels: Mapping[int, int]
    ignored: Bool[Tensor, "H W"] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set lies in a folder.

    Attributes:
        vocabulary: its classes.
        find: lists the images of a folder without decoding any. It raises InputError for what is missing, and where
            headers tell that an annotation is not as large as its image.
        read: gives the objects of one image, as large as the image. It raises InputError for a faulty annotation.
    """

    vocabulary: Vocabulary
    find: Callable[[Path], list[Pair]]
    read: Callable[[Pair], ObjectMap]


def things(*names: str) -> Vocabulary:
    """A vocabulary of things."""
    return Vocabulary(names, (True,) * len(names))


def require_folders(root: Path, *parts: str) -> None:
    """Nothing, if a folder holds these folders.

    Raises:
        InputError: one is missing.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; check root")
    for part in parts:
        if not (root / part).is_dir():
            raise InputError(f"{root}: holds no folder {part}; give the folder that does, or check name")


def require_file(path: Path, list_path: Path) -> Path:
    """The path, if the file that a list names is there.

    Raises:
        InputError: it is missing.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, but {list_path} lists it; add it")
    return path


def check_headers(drawn: Path, image: Path) -> None:
    """Nothing, if two image files have the same size.

    Raises:
        InputError: the sizes differ, or one of the files is no image.
    """
    check_equal_size(drawn, header_size(drawn), image, header_size(image))
