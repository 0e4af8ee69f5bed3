"""Random brush strokes of a simulated user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seemkit.plugin import numpy_generator


@dataclass(frozen=True, slots=True)
class Brush:
    """Parameters of random strokes; lengths in pixels of a 1024-pixel image. Upper bounds are exclusive.

    Attributes:
        vertices: minimum and maximum number of vertices.
        speed: maximum distance between two consecutive vertices.
        acceleration: maximum change of this distance from one vertex to the next.
        turn: maximum change of direction, in radians.
        width: minimum and maximum width.
        jitter: maximum distance along x and y by which half of the vertices are moved.
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
        points: vertices (x, y), which can be outside the image.
        width: width of the brush in pixels, at least 1.
    """

    points: tuple[tuple[float, float], ...]
    width: float


def random_strokes(
    mask: Tensor, brushes: Sequence[Brush], most: int, scale: float, generator: torch.Generator
) -> list[Stroke]:
    """Return 1 to `most` strokes of one of the brushes, each starting near a pixel of a mask.

    Source: the free-form strokes of Yu et al. (arXiv 1806.03589), algorithm 1, with SEEM's sizes.

    Args:
        mask: bool [H, W], with at least one True pixel.
        brushes: brushes, one of which is drawn with equal probability.
        most: maximum number of strokes; each starts at another pixel, so small masks have fewer.
        scale: factor on all lengths.
        generator: the only source of randomness.
    """
    rng = numpy_generator(generator)
    brush = brushes[int(rng.integers(len(brushes)))]
    pixels = np.argwhere(mask.cpu().numpy())
    count = rng.integers(1, min(most, len(pixels)) + 1)
    starts = pixels[rng.choice(len(pixels), count, replace=False)]
    return [random_stroke((column + 0.5, row + 0.5), brush, scale, rng) for row, column in starts.tolist()]


def random_stroke(start: tuple[float, float], brush: Brush, scale: float, rng: np.random.Generator) -> Stroke:
    """Return a stroke that starts near `start`."""
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
