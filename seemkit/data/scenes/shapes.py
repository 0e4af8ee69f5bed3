"""The ten shapes: outlines, distinctive inner parts, and rasterization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Polygon: TypeAlias = NDArray[np.complex128]
"""Corners as complex numbers x + iy; a complex factor rotates and scales them."""

SUPERSAMPLING: Final = 3
RING_HOLE: Final = 0.52
"""Radius of the hole of a ring divided by the radius of the ring."""


def _circle(points: int, radius: float, x: float = 0.0, y: float = 0.0) -> Polygon:
    return complex(x, y) + radius * np.exp(2j * np.pi * np.arange(points) / points)


def _polar(radii: NDArray[np.float64]) -> Polygon:
    """Return the closed outline with these radii in equally spaced directions; the first points up."""
    return radii * -1j * np.exp(2j * np.pi * np.arange(len(radii)) / len(radii))


def _box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return _polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _polygon(*corners: tuple[float, float]) -> Polygon:
    return np.array([complex(x, y) for x, y in corners])


def _right_of(polygon: Polygon, x: float) -> Polygon:
    """Return the part of a convex polygon at and to the right of `x`."""
    return np.maximum(polygon.real, x) + 1j * polygon.imag


def _heart() -> Polygon:
    t = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.sin(t) ** 3 - 1j * (y + 2) / 16


def _ring_bars() -> list[Polygon]:
    """Return eight bars across the band of a ring, as on a lifebuoy."""
    bar = np.array([0.58, 0.58 * np.exp(0.25j), 0.97 * np.exp(0.25j), 0.97])
    return [bar * np.exp(0.25j * np.pi * i) for i in range(8)]


def _gear_bolts() -> list[Polygon]:
    return [_circle(8, 0.13, center.real, center.imag) for center in _circle(6, 0.5)]


# Unit coordinates: x to the right, y down, everything within radius 1.4 of the center.
OUTLINES: Final[dict[str, list[Polygon]]] = {
    "star": [_polar(np.tile([1.0, 0.45], 5))],
    "ring": [_circle(40, 1)],
    "cross": [
        _polygon(
            (-0.33, -1), (0.33, -1), (0.33, -0.33), (1, -0.33), (1, 0.33), (0.33, 0.33),
            (0.33, 1), (-0.33, 1), (-0.33, 0.33), (-1, 0.33), (-1, -0.33), (-0.33, -0.33),
        )
    ],
    "triangle": [_polygon((0, -0.95), (0.95, 0.75), (-0.95, 0.75))],
    "arrow": [_polygon((-1, -0.3), (0.1, -0.3), (0.1, -0.8), (1, 0), (0.1, 0.8), (0.1, 0.3), (-1, 0.3))],
    "heart": [_heart()],
    "gear": [_polar(np.repeat(np.tile([1.0, 0.76], 8), 10))],
    "house": [_polygon((0, -1), (1, -0.1), (0.75, -0.1), (0.75, 0.9), (-0.75, 0.9), (-0.75, -0.1), (-1, -0.1))],
    "mug": [_circle(30, 0.42, 0.52, 0.05), _box(-0.75, -0.85, 0.45, 0.85)],
    "disc": [_circle(40, 0.92)],
}  # fmt: skip

# The background shows through the holes. The hole in the handle of the mug ends at its body.
HOLES: Final[dict[str, list[Polygon]]] = {
    "ring": [_circle(40, RING_HOLE)],
    "gear": [_circle(24, 0.28)],
    "mug": [_right_of(_circle(30, 0.24, 0.54, 0.05), 0.45)],
}

DETAILS: Final[dict[str, list[Polygon]]] = {
    "star": [_circle(16, 0.3)],
    "ring": _ring_bars(),
    "cross": [_box(-0.12, -0.85, 0.12, 0.85), _box(-0.85, -0.12, 0.85, 0.12)],
    "triangle": [_polygon((-0.14, -0.35), (0.14, -0.35), (0.07, 0.2), (-0.07, 0.2)), _circle(12, 0.13, 0, 0.45)],
    "arrow": [_box(-0.9, -0.3, -0.72, 0.3), _box(-0.5, -0.3, -0.32, 0.3), _box(-0.1, -0.3, 0.08, 0.3)],
    "heart": [
        _polygon(
            (-0.75, -0.05), (-0.4, 0.2), (0, -0.1), (0.4, 0.2), (0.75, -0.05),
            (0.75, -0.3), (0.4, -0.05), (0, -0.35), (-0.4, -0.05), (-0.75, -0.3),
        )
    ],
    "gear": _gear_bolts(),
    "house": [_box(-0.17, 0.3, 0.17, 0.9), _box(-0.58, 0.05, -0.28, 0.35), _box(0.28, 0.05, 0.58, 0.35)],
    "mug": [_box(-0.75, -0.6, 0.45, -0.4), _box(-0.75, 0.4, 0.45, 0.6)],
    "disc": [
        _circle(10, 0.14, -0.33, -0.25), _circle(10, 0.14, 0.33, -0.25),
        _polygon((-0.5, 0.2), (0.5, 0.2), (0.3, 0.5), (-0.3, 0.5)),
    ],
}  # fmt: skip


class Stencil:
    """Rasterizes the polygons of one thing into a square box of `side` pixels.

    Args:
        side: width and height of the box in pixels.
        center: the thing's center (x, y) in the box, in pixels.
        radius: length of one unit in pixels.
        angle: clockwise rotation in radians.
        aspect: horizontal stretch; the height is divided by it.
    """

    def __init__(self, side: int, center: tuple[float, float], radius: float, angle: float, aspect: float) -> None:
        self.side, self.center, self.aspect = side, complex(*center), aspect
        self.factor = radius * np.exp(1j * angle)

    def coverage(self, filled: Sequence[Polygon], holes: Sequence[Polygon] = ()) -> Image.Image:
        """Return the share of each pixel that the polygons cover, 0..255, as an "L" image [side, side]."""
        picture = Image.new("L", (self.side * SUPERSAMPLING,) * 2)
        draw = ImageDraw.Draw(picture)
        for polygons, value in ((filled, 255), (holes, 0)):
            for polygon in polygons:
                draw.polygon(self._pixels(polygon), fill=value)
        return picture.reduce(SUPERSAMPLING)

    def _pixels(self, polygon: Polygon) -> list[float]:
        """Return the corner coordinates x0, y0, x1, y1, ... in the supersampled box."""
        stretched = polygon.real * self.aspect + 1j * (polygon.imag / self.aspect)
        scaled = (stretched * self.factor + self.center) * SUPERSAMPLING - (0.5 + 0.5j)
        return scaled.view(np.float64).tolist()
