"""The videos of DAVIS: where their files lie, what can be told before a frame is read, and the masks of a frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from seemkit.data.coco.base import check_folders
from seemkit.errors import InputError
from seemkit.io.image import check_equal_size, header_size, open_image
from seemkit.io.text_file import read_lines

VOID = 255
LEAST_FRAMES = 3
"""The first frame gives the objects, and neither it nor the last is scored."""
_IMAGES, _ANNOTATIONS = Path("JPEGImages/480p"), Path("Annotations/480p")


@dataclass(frozen=True, slots=True)
class DavisSequence:
    """One video.

    Attributes:
        name: of its folders.
        images: the frames in order.
        annotations: the PNG of each frame.
        objects: number of objects; their ids are 1 to this.
        single: everything that is drawn is the one object, whatever its value (2016).
        has_void: 255 is of no object. The masks of the 2016 release are 0 and 255, so there it is the object.
    """

    name: str
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]
    objects: int
    single: bool
    has_void: bool

    def __len__(self) -> int:
        return len(self.images)

    def masks(self, frame: int) -> Bool[Tensor, "N H W"]:
        """The masks of a frame, row k that of object k + 1, empty where it is not in the frame.

        An id above those of the first annotation is background, as in davis2017-evaluation, and a warning says so.

        Raises:
            InputError: the PNG is damaged or has colors in place of ids.
        """
        path = self.annotations[frame]
        values = _read_values(path, self.single)
        if self.has_void:
            values[values == VOID] = 0
        if self.single:
            return torch.from_numpy(values != 0)[None]
        if (last := int(values.max())) > self.objects:
            warnings.warn(
                f"{path.parent}: object id {last} is not in the first frame, where they end at {self.objects}; it "
                "counts as background",
                stacklevel=2,
            )
        ids = np.arange(1, self.objects + 1)[:, None, None]
        return torch.from_numpy(values[None] == ids)


def find_sequences(root: Path, year: int, split: str) -> list[DavisSequence]:
    """The sequences of a split in the order of its list.

    Reads the list, the first annotation of each sequence and the heads of all files.

    Args:
        root: holds ``ImageSets``, ``JPEGImages/480p`` and ``Annotations/480p``.
        year: 2017 for several objects, with names in ``ImageSets/2017/<split>.txt``; 2016 for one object, with files in
            ``ImageSets/480p/<split>.txt`` (the release of 2016) or names in ``ImageSets/2016/<split>.txt`` (the
            release of 2017).
        split: for example "val".

    Raises:
        InputError: naming the file, for a missing list, folder, frame or annotation, a damaged head, files of a
            sequence that differ in size, fewer than 3 frames, or a first annotation without an object.
    """
    if year not in {2016, 2017}:
        raise InputError(f"year: is {year}; use 2016 (one object a video) or 2017 (several)")
    check_folders(root, root / _IMAGES, root / _ANNOTATIONS)
    path = _list_path(root, year, split)
    names = list(_read_list(path, root))
    if not names:
        raise InputError(f"{path}: lists no sequence; write one name a line")
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: lists sequence {twice[0]} twice; remove one")
    return [_sequence(root, name, single=year == 2016) for name in names]


def _list_path(root: Path, year: int, split: str) -> Path:
    """The list of a split."""
    named, files = (root / "ImageSets" / folder / f"{split}.txt" for folder in (str(year), "480p"))
    if year == 2016 and files.is_file():
        return files
    if not named.is_file():
        also = f", nor {files}" if year == 2016 else ""
        raise InputError(f"{named}: no such file{also}; check root, year and split")
    return named


def _read_list(path: Path, root: Path) -> Iterator[str]:
    """The sequences of a list with a name a line or, where it lists an image and its PNG a line, their folders.

    Raises:
        InputError: a line of another kind, or a listed file that is missing.
    """
    previous = None
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if len(words) > 2:
            raise InputError(f"{path}: line {number} has {len(words)} words; write a sequence, or an image and its PNG")
        if len(words) == 1:
            yield words[0]
        if len(words) == 2:
            for listed in (root / word.lstrip("/") for word in words):
                if not listed.is_file():
                    raise InputError(f"{listed}: no such file, but {path} lists it; add it")
            if (name := Path(words[0]).parent.name) != previous:
                yield name
            previous = name


def _sequence(root: Path, name: str, *, single: bool) -> DavisSequence:
    """A sequence, checked as far as its first annotation and the heads of its files tell."""
    folders = root / _IMAGES / name, root / _ANNOTATIONS / name
    check_folders(*folders)
    images, annotations = _pairs(*folders)
    if len(images) < LEAST_FRAMES:
        raise InputError(f"{folders[0]}: has {len(images)} frames; scores need at least {LEAST_FRAMES}")
    size = header_size(images[0])
    for path in (*images, *annotations):
        check_equal_size(path, header_size(path), images[0], size)
    values = _read_values(annotations[0], single)
    ids = values[values != VOID]
    has_void = not single or bool(ids.any())
    if not (ids if has_void else values).any():
        raise InputError(f"{annotations[0]}: shows no object; the first frame has to show what is to be followed")
    objects = 1 if single else int(ids.max())
    return DavisSequence(name, images, annotations, objects, single, has_void)


def _pairs(images: Path, annotations: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The frames of a sequence and their PNGs, in order.

    Raises:
        InputError: a frame without PNG, or the other way round.
    """
    stems = {path.stem for path in images.glob("*.jpg")}
    drawn = {path.stem for path in annotations.glob("*.png")}
    if bare := stems - drawn:
        raise InputError(f"{annotations / min(bare)}.png: no such file, but there is {min(bare)}.jpg; add it")
    if lost := drawn - stems:
        raise InputError(f"{images / min(lost)}.jpg: no such file, but there is {min(lost)}.png; add it")
    order = sorted(stems)
    return tuple(images / f"{stem}.jpg" for stem in order), tuple(annotations / f"{stem}.png" for stem in order)


def _read_values(path: Path, single: bool) -> NDArray[np.uint8]:
    """The value of each pixel of an annotation, uint8 [H, W]: its index in a palette or its gray level."""
    image = open_image(path)
    if image.mode not in {"P", "L"}:
        if not single:
            raise InputError(f"{path}: has mode {image.mode}; it must have one object id a pixel (mode P or L)")
        image = image.convert("L")
    return np.array(image, dtype=np.uint8)
