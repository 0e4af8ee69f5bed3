"""The prediction for one object: a mask in the pixels of the original image, a label and a score."""

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
"""Points (x, y) of a closed line, [n, 2]."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The prediction for one object.

    Attributes:
        mask: bool [H, W], at the original size of the image, on the CPU.
        logits: float [H, W], mask logits. `mask` is True where they are positive; a pixel of several panoptic segments
            belongs to one of them only.
        label: class name or phrase.
        score: confidence, 0..1. For prompted objects, the mean probability inside the mask; for panoptic segments, the
            class probability; for instances, the product of both.
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
        """Left, top, right and bottom edge of the mask, in pixels; None if the mask is empty."""
        rows, columns = (self.mask.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
        return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if rows else None

    @property
    def rle(self) -> dict[str, Any]:
        """The exact mask, run-length encoded as in COCO: ``{"size": [H, W], "counts": "..."}``."""
        return encode_mask(self.mask)

    @property
    def polygon(self) -> list[Ring]:
        """Outlines of the mask's parts, largest first, each (x, y) [n, 2] without repeating the first point.

        The outlines run along the edges of the pixels, with cut corners. Holes are omitted; `rle` includes them.
        """
        padded = np.pad(self.mask.numpy().astype(np.float64), 1)
        generator = contourpy.contour_generator(z=padded, fill_type=contourpy.FillType.OuterOffset)
        lines, offsets = cast(tuple[list[Ring], list[NDArray[np.uint32]]], generator.filled(0.5, 2.0))
        rings = [_corners(line[: offset[1] - 1] - 0.5) for line, offset in zip(lines, offsets, strict=True)]
        return sorted(rings, key=lambda ring: -_area(ring))


def _corners(ring: Ring) -> Ring:
    """Return the ring without the points that are on a straight line between their neighbors."""
    into, out = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return ring[into[:, 0] * out[:, 1] != into[:, 1] * out[:, 0]]


def _area(ring: Ring) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
