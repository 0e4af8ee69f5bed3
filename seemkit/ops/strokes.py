"""Lines of a brush: painting them, and drawing them at random as a simulated user does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from seemkit.ops.region import Pixels
from seemkit.types import Size


@dataclass(frozen=True, slots=True)
class Brush:
    """How random strokes look; lengths in pixels of a 1024-pixel image. Upper bounds are exclusive.

    Attributes:
        vertices: least and most number of vertices.
        speed: greatest distance between two vertices.
        acceleration: greatest change of that distance from one vertex to the next.
        turn: greatest change of direction, in radians.
        width: least and most width.
        jitter: half of the vertices are moved by up to this.
        drift: twice the standard deviation of the distance by which the whole stroke is moved.
    """

    vertices: tuple[int, int]
    speed: float
    acceleration: float
    turn: float
    width: tuple[float, float]
    jitter: float
    drift: float


@dataclass(frozen=True, slots=True)
class Stroke:
    """A stroke of a round brush.

    Attributes:
        points: its vertices (x, y), which may lie outside the image.
        width: of the brush, in pixels; at least 1.
    """

    points: tuple[tuple[float, float], ...]
    width: float


OUTSIDE = 2
"""What lies farther beside the image than so many times its longer side is moved there."""


def paint(points: Sequence[tuple[float, float]], width: float, size: Size, inside: Tensor | None = None) -> Pixels:
    """The pixels that a round brush covers on its way through the points.

    Args:
        points: (x, y), at least one; they may lie outside the image.
        width: of the brush, in pixels; at least 1 is painted.
        size: of the image; paint beside it is lost.
        inside: bool [H, W]; paint outside of it is lost too.
    """
    path = np.floor(np.asarray(points, dtype=np.float64))  # the pixel that holds each point
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


def random_strokes(
    mask: Tensor, brushes: Sequence[Brush], most: int, scale: float, generator: torch.Generator
) -> list[Stroke]:
    """1 to `most` strokes of one of the brushes, each starting at a pixel of a mask.

    Args:
        mask: bool [H, W], with at least one pixel.
        brushes: one is chosen, all as likely.
        most: most strokes; never more than the mask has pixels.
        scale: factor on all lengths.
        generator: the only source of randomness.

    Source: the free-form strokes of Yu et al. (arXiv 1806.03589), algorithm 1, with SEEM's sizes.
    """
    rng = numpy_generator(generator)
    brush = brushes[int(rng.integers(len(brushes)))]
    pixels = np.argwhere(mask.cpu().numpy())
    count = rng.integers(1, min(most, len(pixels)) + 1)
    starts = pixels[rng.choice(len(pixels), count, replace=False)]
    return [random_stroke((column + 0.5, row + 0.5), brush, scale, rng) for row, column in starts.tolist()]


def random_stroke(start: tuple[float, float], brush: Brush, scale: float, rng: np.random.Generator) -> Stroke:
    """A stroke from about `start`."""
    width = rng.integers(int(brush.width[0]), int(brush.width[1])) * scale
    steps = rng.integers(*brush.vertices) - 1
    speeds = [rng.uniform(0, brush.speed)]
    for change in rng.uniform(-brush.acceleration, brush.acceleration, steps):
        speeds.append(float(np.clip(speeds[-1] + change, 0, brush.speed)))
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.uniform(-brush.turn, brush.turn, steps))
    moves = np.array(speeds[1:])[:, None] * np.stack((np.sin(angles), np.cos(angles)), axis=1)
    path: NDArray[np.float64] = np.concatenate((np.zeros((1, 2)), np.cumsum(moves, axis=0)))
    away, direction = abs(rng.normal(0, brush.drift / 2)), rng.uniform(0, 2 * np.pi)
    path += np.trunc(away * np.array([np.cos(direction), np.sin(direction)]))
    moved = rng.permutation(len(path))[: len(path) // 2]
    path[moved] += rng.integers(-int(brush.jitter), max(int(brush.jitter), 1), (len(moved), 2))
    return Stroke(tuple((float(x), float(y)) for x, y in path * scale + start), max(float(width), 1.0))


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """A numpy generator that the torch generator seeds."""
    return np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
