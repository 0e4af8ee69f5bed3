"""The videos of DAVIS: finding and checking their files, reading the masks of a frame."""

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
from seemkit.io.folder import visible
from seemkit.io.image import check_equal_size, header_size, open_image
from seemkit.io.text_file import read_lines

VOID = 255
LEAST_FRAMES = 3
"""The smallest number of frames of a video: the first, which gives the objects, and the last are not scored."""
_IMAGES, _ANNOTATIONS = Path("JPEGImages/480p"), Path("Annotations/480p")


@dataclass(frozen=True, slots=True)
class DavisSequence:
    """One video.

    Attributes:
        name: name of its folders.
        images: frames in order.
        annotations: PNG of each frame.
        objects: number of objects N; their ids are 1 to N.
        single: whether all nonzero pixels are one object (2016).
        has_void: whether 255 is void. False for the masks of the 2016 release, which are 0 and 255: 255 is the object.
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
        """Return the masks of a frame: row k is object k + 1, empty if the object is not in the frame.

        An id above the largest of the first annotation counts as background, as in davis2017-evaluation, with a
        warning.

        Raises:
            InputError: the PNG is damaged or has colors instead of ids.
        """
        path = self.annotations[frame]
        values = _read_values(path, self.single)
        if self.has_void:
            values[values == VOID] = 0
        if self.single:
            return torch.from_numpy(values != 0)[None]
        if (last := int(values.max())) > self.objects:
            warnings.warn(
                f"{path.parent}: object id {last} is above {self.objects}, the largest id of the first frame; it "
                "counts as background",
                stacklevel=2,
            )
        ids = np.arange(1, self.objects + 1)[:, None, None]
        return torch.from_numpy(values[None] == ids)


def find_sequences(root: Path, year: int, split: str) -> list[DavisSequence]:
    """Return the sequences of a split in the order of its list.

    Reads the list, the first annotation of each sequence and the headers of all files.

    Args:
        root: folder with ``ImageSets``, ``JPEGImages/480p`` and ``Annotations/480p``.
        year: 2017 for several objects, with names in ``ImageSets/2017/<split>.txt``; 2016 for one object, with files in
            ``ImageSets/480p/<split>.txt`` (the release of 2016) or names in ``ImageSets/2016/<split>.txt`` (the
            release of 2017).
        split: name of the split, for example "val".

    Raises:
        InputError: a list, folder, frame or annotation is missing, a list is empty, faulty or repeats a sequence, a
            header is damaged, files of a sequence differ in size, a sequence has fewer than 3 frames, or a first
            annotation shows no object; the message names the file.
    """
    if year not in {2016, 2017}:
        raise InputError(f"year: is {year}; use 2016 (one object per video) or 2017 (several)")
    check_folders(root, root / _IMAGES, root / _ANNOTATIONS)
    path = _list_path(root, year, split)
    names = list(_read_list(path, root))
    if not names:
        raise InputError(f"{path}: lists no sequence; write one name per line")
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: lists sequence {twice[0]} twice; remove one")
    return [_sequence(root, name, single=year == 2016) for name in names]


def _list_path(root: Path, year: int, split: str) -> Path:
    """Return the path of the list of a split."""
    named, files = (root / "ImageSets" / folder / f"{split}.txt" for folder in (str(year), "480p"))
    if year == 2016 and files.is_file():
        return files
    if not named.is_file():
        also = f", nor {files}" if year == 2016 else ""
        raise InputError(f"{named}: no such file{also}; check root, year and split")
    return named


def _read_list(path: Path, root: Path) -> Iterator[str]:
    """Yield the sequence names of a list, whose lines are a name or an image and its PNG in the sequence's folders.

    Raises:
        InputError: a line has another form, or a listed file is missing.
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
    """Return a sequence, with its first annotation and the headers of its files checked."""
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
        hint = "; DAVIS 2016 has 255 for its object, so set data.year to 2016" if not single and values.any() else ""
        raise InputError(f"{annotations[0]}: shows no object; the first frame must show the objects{hint}")
    objects = 1 if single else int(ids.max())
    return DavisSequence(name, images, annotations, objects, single, has_void)


def _pairs(images: Path, annotations: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the frames of a sequence and their PNGs, in order.

    Raises:
        InputError: a frame has no PNG, or a PNG has no frame.
    """
    stems = {path.stem for path in visible(images.glob("*.jpg"))}
    drawn = {path.stem for path in visible(annotations.glob("*.png"))}
    if bare := stems - drawn:
        raise InputError(f"{annotations / min(bare)}.png: no such file, but {min(bare)}.jpg exists; add it")
    if lost := drawn - stems:
        raise InputError(f"{images / min(lost)}.jpg: no such file, but {min(lost)}.png exists; add it")
    order = sorted(stems)
    return tuple(images / f"{stem}.jpg" for stem in order), tuple(annotations / f"{stem}.png" for stem in order)


def _read_values(path: Path, single: bool) -> NDArray[np.uint8]:
    """Return the pixel values uint8 [H, W] of an annotation: palette indices or gray levels."""
    image = open_image(path)
    if image.mode not in {"P", "L"}:
        if not single:
            raise InputError(f"{path}: has mode {image.mode}; it must have one object id per pixel (mode P or L)")
        image = image.convert("L")
    return np.array(image, dtype=np.uint8)
