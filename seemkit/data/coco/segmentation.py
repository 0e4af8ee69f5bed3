"""The encoded masks of COCO's JSON files, polygons or run lengths, decoded on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.json_file import field
from seemkit.ops.rle import decode_mask
from seemkit.types import Size

LARGEST = 2**16
"""Limit of polygon coordinates and mask sides, in pixels; the decoder's memory grows with them."""


@dataclass(frozen=True, slots=True)
class Polygons:
    """A union of polygons.

    Attributes:
        outlines: one float64 [P, 2] per polygon, P >= 3 points (x, y) in pixels; none for an object without pixels.
    """

    outlines: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, content: list[Any], where: str, allow_empty: bool = False) -> Self:
        """Return the polygons of a JSON list of lists x1, y1, x2, y2, ….

        Raises:
            InputError: the list is empty, unless that is allowed, or an entry is not such a list.
        """
        if not content and not allow_empty:
            raise InputError(
                f"{where}: 'segmentation' has no polygon; draw one, remove the annotation, or set skip_empty of the "
                "source"
            )
        return cls(tuple(_outline(points, f"{where}: segmentation[{i}]") for i, points in enumerate(content)))

    def decode(self, size: Size) -> Tensor:
        """Return the mask bool [H, W] in an image of this size."""
        if not self.outlines:
            return torch.zeros(tuple(size), dtype=torch.bool)
        parts = coco_mask.frPyObjects([outline.ravel().tolist() for outline in self.outlines], *size)
        return torch.from_numpy(coco_mask.decode(coco_mask.merge(parts)).astype(np.bool_))

    def box(self) -> Tensor:
        """Return the smallest box XYXY float64 [4] around all points."""
        points = np.concatenate(self.outlines)
        return torch.from_numpy(np.concatenate([points.min(0), points.max(0)]))


@dataclass(frozen=True, slots=True)
class Runs:
    """A mask as run lengths.

    Attributes:
        size: size of the mask.
        counts: run lengths in COCO's compressed form, unchecked.
    """

    size: Size
    counts: str

    @classmethod
    def of(cls, content: dict[str, Any], where: str) -> Self:
        """Return the runs of ``{"size": [H, W], "counts"}``, with counts as a list or as COCO's compressed string.

        Raises:
            InputError: `content` is not such an object.
        """
        place = f"{where}: segmentation"
        size, counts = field(content, "size", list, place), field(content, "counts", object, place)
        if len(size) != 2 or not all(isinstance(side, int) and 0 < side < LARGEST for side in size):
            raise InputError(f"{place}: 'size' is {size}; it must be [height, width]")
        if isinstance(counts, list):
            if not all(isinstance(run, int) and 0 <= run < 2**32 for run in counts):
                raise InputError(f"{place}: 'counts' has an entry that is not a run length; use integers from 0")
            counts = coco_mask.frPyObjects({"size": size, "counts": counts}, *size)["counts"].decode("ascii")
        if not isinstance(counts, str):
            raise InputError(f"{place}: 'counts' is a {type(counts).__name__}; it must be a list or a str")
        return cls(Size(*size), counts)

    def decode(self, size: Size) -> Tensor:
        """Return the mask bool [H, W] in an image of this size.

        Raises:
            ValueError: the runs have another size or do not fill it.
        """
        if self.size != size:
            raise ValueError(
                f"run lengths are for {self.size.width} by {self.size.height} pixels, not for {size.width} by "
                f"{size.height}"
            )
        return decode_mask({"size": [*self.size], "counts": self.counts})


Shape = Polygons | Runs


def read_shape(annotation: dict[str, Any], where: str, allow_empty: bool = False) -> Shape:
    """Return the shape in the field 'segmentation' of an annotation.

    Raises:
        InputError: the field is neither polygons nor run lengths; the message names `where` and the field.
    """
    content = field(annotation, "segmentation", object, where)
    if isinstance(content, list):
        return Polygons.of(content, where, allow_empty)
    if isinstance(content, dict):
        return Runs.of(content, where)
    raise InputError(f"{where}: 'segmentation' is a {type(content).__name__}; it must be polygons or run lengths")


def decode_shape(shape: Shape, size: Size, where: str) -> Tensor:
    """Return the mask bool [H, W] of a shape in an image of this size; the mask can be empty.

    Raises:
        InputError: the runs do not fit the size; the message names `where`.
    """
    try:
        return shape.decode(size)
    except ValueError as error:
        raise InputError(f"{where}: {error}; correct its 'segmentation'") from error


def _outline(points: object, where: str) -> NDArray[np.float64]:
    """Return the points float64 [P, 2] of one polygon."""
    if not isinstance(points, list):
        raise InputError(f"{where}: is a {type(points).__name__}; it must be a list x1, y1, x2, y2, …")
    if len(points) < 6 or len(points) % 2:
        raise InputError(f"{where}: has {len(points)} numbers; a polygon needs an even number of at least 6")
    if not all(isinstance(value, int | float) and abs(value) <= LARGEST for value in points):
        raise InputError(f"{where}: has an entry that is not a pixel coordinate; correct it")
    return np.array(points, dtype=np.float64).reshape(-1, 2)
