"""Painting with a round brush."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from seemkit.ops.region import Pixels
from seemkit.types import Size

OUTSIDE = 2
"""Maximum distance of a point outside the image, in multiples of its longer side; farther points are moved there."""


def paint(points: Sequence[tuple[float, float]], width: float, size: Size, inside: Tensor | None = None) -> Pixels:
    """Return the pixels that a round brush covers as it moves through the points.

    Args:
        points: (x, y), at least one; points can be outside the image.
        width: width of the brush in pixels; less than 1 paints like 1.
        size: size of the image; pixels outside it are dropped.
        inside: bool mask [H, W]; pixels outside it are dropped too.
    """
    path = np.floor(np.asarray(points, dtype=np.float64))  # the pixel that contains each point
    limit = np.array([size.width, size.height])
    path = path.clip(-OUTSIDE * limit.max(), (1 + OUTSIDE) * limit.max())
    thick = max(1, round(min(width, 4 * OUTSIDE * limit.max())))
    low = np.clip(path.min(axis=0) - thick, 0, limit).astype(np.int64)
    high = np.clip(path.max(axis=0) + thick + 1, 0, limit).astype(np.int64)
    if (high <= low).any():
        return np.zeros((0, 2), dtype=np.int64)
    canvas = Image.new("1", tuple((high - low).tolist()))
    draw = ImageDraw.Draw(canvas)
    places = [tuple(place) for place in (path - low).tolist()]
    draw.point(places, fill=1)
    draw.line(places, fill=1, width=thick)
    before, after = (thick - 1) // 2, thick // 2
    for x, y in places:
        draw.ellipse((x - before, y - before, x + after, y + after), fill=1)
    pixels = np.argwhere(np.asarray(canvas)) + low[::-1]
    if inside is None:
        return pixels
    kept = inside.cpu().numpy()[pixels[:, 0], pixels[:, 1]]
    return pixels[kept]
