"""What is said of one object: a mask in the pixels of the original image, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import contourpy
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from seemkit.ops.rle import encode_mask

Ring: TypeAlias = NDArray[np.float64]
"""(x, y) of a closed line, [n, 2]."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """One object that was found.

    Attributes:
        mask: bool [H, W], at the original size of the image, on the CPU.
        logits: float [H, W]; `mask` is where they are positive, save that of overlapping panoptic segments one wins.
        label: the class name or phrase that describes it.
        score: confidence 0..1: the mean probability inside the mask; of a panoptic segment that of its class, of an
            instance the product of both.
    """

    mask: Bool[Tensor, "H W"]
    logits: Float[Tensor, "H W"]
    label: str
    score: float

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"Prediction({self.label!r}, score {self.score:.3f}, {self.area} pixels of {width} x {height})"

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(self.mask.sum())

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom edge of the mask, in pixels; None if it is empty."""
        rows, columns = (self.mask.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
        return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if rows else None

    @property
    def rle(self) -> dict[str, Any]:
        """The mask as COCO's run lengths, exact: ``{"size": [H, W], "counts": "..."}``."""
        return encode_mask(self.mask)

    @property
    def polygon(self) -> list[Ring]:
        """The outlines of the mask's parts, largest first, each (x, y) [n, 2] with the first point not repeated.

        The outlines run along the edges of the pixels, with cut corners. Holes are left out; `rle` has them.
        """
        padded = np.pad(self.mask.numpy().astype(np.float64), 1)
        generator = contourpy.contour_generator(z=padded, fill_type=contourpy.FillType.OuterOffset)
        lines, offsets = cast(tuple[list[Ring], list[NDArray[np.uint32]]], generator.filled(0.5, 2.0))
        rings = [_corners(line[: offset[1] - 1] - 0.5) for line, offset in zip(lines, offsets, strict=True)]
        return sorted(rings, key=lambda ring: -_area(ring))


def _corners(ring: Ring) -> Ring:
    """The ring without the points that lie on a straight line between their neighbors."""
    into, out = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return ring[into[:, 0] * out[:, 1] != into[:, 1] * out[:, 0]]


def _area(ring: Ring) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
