"""Outlines of masks as polygons.

An outline runs along the edges of the pixels, with cut corners. Its points can be moved into the mask by a fraction of
a pixel. Programs that round points down to whole pixels, such as the readers of YOLO's labels, then fill exactly the
pixels of the mask.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple, TypeAlias, cast

import contourpy
import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

Ring: TypeAlias = NDArray[np.float64]
"""Points (x, y) of a closed line, [n, 2], without repeating the first one."""

INSET = 0.01
SPECKS = 0.002
"""Largest share of a mask that `joined` leaves out."""


class Part(NamedTuple):
    """A connected part of a mask: its outer outline, and those of its holes."""

    outer: Ring
    holes: list[Ring]

    @property
    def area(self) -> float:
        """Area without the holes, in pixels."""
        return _area(self.outer) - sum(_area(hole) for hole in self.holes)


def parts(mask: Bool[Tensor, "H W"], inset: float = 0.0) -> list[Part]:
    """Return the connected parts of a mask, largest first; an empty list for an empty mask.

    Args:
        mask: the mask.
        inset: distance in pixels, less than 0.5, by which each point is moved into the mask.
    """
    whole = mask.cpu().numpy()
    if not whole.any():
        return []
    (top, bottom), (left, right) = (_extent(whole.any(axis=axis)) for axis in (1, 0))
    pixels, corner = whole[top:bottom, left:right], np.array([left, top], dtype=np.float64)
    padded = np.pad(pixels.astype(np.float64), 1)
    generator = contourpy.contour_generator(z=padded, fill_type=contourpy.FillType.OuterOffset)
    lines, offsets = cast(tuple[list[Ring], list[NDArray[np.uint32]]], generator.filled(0.5, 2.0))
    found = []
    for line, offset in zip(lines, offsets, strict=True):
        spans = itertools.pairwise(offset.tolist())
        rings = (_corners(line[start : end - 1] - 0.5) for start, end in spans)
        outer, *holes = (corner + (_move_in(ring, pixels, inset) if inset else ring) for ring in rings)
        found.append(Part(outer, holes))
    return sorted(found, key=lambda part: -part.area)


def joined(mask: Bool[Tensor, "H W"]) -> Ring:
    """Return the mask as one ring, in which lines of no width lead to its holes and other parts and back again.

    Filled by the even-odd rule, the ring is the mask. The smallest parts are left out while they make up no more than
    0.2 % of it together. An empty mask gives a ring without points.
    """
    found = parts(mask, INSET)
    spare = SPECKS * sum(part.area for part in found)
    while found and (spare := spare - found[-1].area) >= 0:
        found.pop()
    line = np.empty((0, 2))
    for ring in (ring for part in found for ring in (part.outer, *part.holes)):
        line = ring if not len(line) else _detour(line, ring)
    return line


def _detour(line: Ring, ring: Ring) -> Ring:
    """Return a line with a detour around a ring, from the point that is nearest to it."""
    distance, place = KDTree(line).query(ring)
    there = int(distance.argmin())
    here, turned = int(place[there]), np.roll(ring, -there, axis=0)
    return np.concatenate((line[: here + 1], turned, turned[:1], line[here:]))


def _extent(used: NDArray[Any] | np.bool_) -> tuple[int, int]:
    """Return the first index that is used, and the one after the last."""
    places = np.flatnonzero(used)
    return int(places[0]), int(places[-1]) + 1


def _corners(ring: Ring) -> Ring:
    """Return the ring without the points that are on a straight line between their neighbors."""
    into, out = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return ring[into[:, 0] * out[:, 1] != into[:, 1] * out[:, 0]]


def _move_in(ring: Ring, pixels: NDArray[np.bool_], inset: float) -> Ring:
    """Return the ring with its points, each in the middle of an edge of a pixel of the mask, moved into the mask."""
    upright = ring[:, 0] == np.floor(ring[:, 0])  # points on the left or right edge of a pixel
    step = np.where(upright[:, None], (inset, 0.0), (0.0, inset))
    column, row = np.floor(ring).astype(int).T  # of the pixel to the right, or below
    height, width = pixels.shape
    inside = (column < width) & (row < height)
    inside[inside] = pixels[row[inside], column[inside]]
    return ring + np.where(inside[:, None], step, -step)


def _area(ring: Ring) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
