"""Random designs for the things of a scene, some touching or nested on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

import numpy as np

from seemkit.data.scenes.shapes import RING_HOLE
from seemkit.data.scenes.vocabulary import COLORS, HELD_OUT, SEEN, Pair

Placement: TypeAlias = Literal["free", "touching", "nested"]

Item = TypeVar("Item")

LARGE_RADIUS: Final = (22.0, 31.0)
SMALL_RADIUS: Final = (14.0, 18.0)
"""Range in pixels of a scene of 128, as for `LARGE_RADIUS`."""

# Chances per proposal, not shares in the scenes: crowded proposals are rejected more often than free ones.
_NESTED: Final = 0.42
_TOUCHING: Final = 0.36
_HOST_RADIUS: Final = 27.0  # least radius of a thing that can hold another, in pixels of a scene of 128
_TWO_COLORED: Final = 0.28
_LARGE: Final = 0.6
_COPY: Final = 0.9
_TWIN: Final = 0.12


@dataclass(frozen=True, slots=True)
class Design:
    """A thing as it will be drawn.

    Attributes:
        color: name of the main color.
        shape: class name.
        second: name of the color of one side, or None.
        rgb: the main color as painted, about 0..255.
        large: whether it belongs to the larger of the two size groups.
        radius: radius in pixels.
        x: horizontal center in pixels.
        y: vertical center in pixels.
        angle: clockwise rotation in radians.
        aspect: horizontal stretch.
        placement: free, touching a thing of the same rgb, or nested on a larger thing.
    """

    color: str
    shape: str
    second: str | None
    rgb: tuple[float, float, float]
    large: bool
    radius: float
    x: float
    y: float
    angle: float
    aspect: float
    placement: Placement


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing as visible in a finished scene.

    Attributes:
        id: its id in the panoptic map of the scene.
        color: name of the main color.
        shape: class name.
        second: name of the color of one side, or None.
        large: whether it belongs to the larger of the two size groups.
        x: mean column of its visible pixels.
        y: mean row of its visible pixels.
        area: number of its visible pixels.
        placement: free, touching a thing of the same rgb, or nested on a larger thing.
    """

    id: int
    color: str
    shape: str
    second: str | None
    large: bool
    x: float
    y: float
    area: int
    placement: Placement


def propose(rng: np.random.Generator, placed: Sequence[Design], unseen: float, size: int) -> Design | None:
    """Return a new thing for a scene with the things `placed`, or None if the random placement does not fit.

    Args:
        rng: source of all randomness.
        placed: earlier things; a new thing often shares its color or shape with one of them.
        unseen: chance of a held-out pair; 0 for training.
        size: side of the scene in pixels.
    """
    pairs = HELD_OUT if rng.random() < unseen else SEEN
    kind, hosts = rng.random(), [thing for thing in placed if thing.radius >= _HOST_RADIUS * size / 128]
    if hosts and kind < _NESTED:
        return _nested(rng, pairs, _pick(rng, hosts), size)
    if placed and kind > 1 - _TOUCHING:
        return _touching(rng, pairs, _pick(rng, placed), size)
    pair = _relative(rng, placed, pairs) if placed and rng.random() < _COPY else _choose(rng, pairs)
    large, radius = _radius(rng, size)
    x, y = rng.uniform(radius * 0.75, size - radius * 0.75, 2)
    return _design(rng, pair, large, radius, (x, y), "free")


def _relative(rng: np.random.Generator, placed: Sequence[Design], pairs: Sequence[Pair]) -> Pair:
    """Return a pair that shares a word with an earlier thing, mostly the first, so that a phrase needs both words.

    The shape is shared first, then the color; sometimes both, so that only a size or a relation tells them apart.
    """
    model = placed[0] if rng.random() < 0.85 else _pick(rng, placed)
    if rng.random() < _TWIN:
        return Pair(model.color, model.shape)
    if sum(thing.shape == model.shape for thing in placed) > 1:
        return _choose(rng, pairs, color=model.color)
    return _choose(rng, pairs, shape=model.shape, avoid=model.color)


def _choose(
    rng: np.random.Generator,
    pairs: Sequence[Pair],
    color: str | None = None,
    shape: str | None = None,
    avoid: str | None = None,
) -> Pair:
    """Return a pair with this color and shape (None: any), without the color `avoid`, from `pairs` or else `SEEN`."""
    fitting = [
        pair for pair in pairs if color in (None, pair.color) and shape in (None, pair.shape) and pair.color != avoid
    ]
    return _pick(rng, fitting) if fitting else _choose(rng, SEEN, color, shape, avoid)


def _pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    return items[int(rng.integers(len(items)))]


def _radius(rng: np.random.Generator, size: int) -> tuple[bool, float]:
    large = bool(rng.random() < _LARGE)
    return large, rng.uniform(*(LARGE_RADIUS if large else SMALL_RADIUS)) * size / 128


def _nested(rng: np.random.Generator, pairs: Sequence[Pair], host: Design, size: int) -> Design:
    """Return a disc in the hole of a ring, or a small thing on any other large thing."""
    in_ring = host.shape == "ring"
    pair = _choose(rng, pairs, shape="disc" if in_ring else None, avoid=host.color)
    radius = host.radius * RING_HOLE if in_ring else max(SMALL_RADIUS[0] * size / 128, 0.46 * host.radius)
    x, y = (host.x, host.y) + rng.uniform(-1, 1, 2) * (0.02 if in_ring else 0.12) * host.radius
    return _design(rng, pair, False, radius, (x, y), "nested")


def _touching(rng: np.random.Generator, pairs: Sequence[Pair], host: Design, size: int) -> Design | None:
    """Return a thing of the same rgb that slightly overlaps the edge of `host`, or None if it would leave the scene."""
    pair = _choose(rng, pairs, color=host.color)
    large, radius = _radius(rng, size)
    angle, distance = rng.uniform(0, 2 * np.pi), 0.85 * (radius + host.radius)
    x, y = host.x + distance * np.cos(angle), host.y + distance * np.sin(angle)
    inside = min(x, y) > 0.6 * radius and max(x, y) < size - 0.6 * radius
    return _design(rng, pair, large, radius, (x, y), "touching", host.rgb) if inside else None


def _design(
    rng: np.random.Generator,
    pair: Pair,
    large: bool,
    radius: float,
    center: tuple[float, float],
    placement: Placement,
    rgb: tuple[float, float, float] | None = None,
) -> Design:
    """Return the design with a random look; with `rgb` None, a small variation of the standard color is used."""
    second = None
    if rgb is None:
        r, g, b = np.asarray(COLORS[pair.color]) + rng.normal(0, 9, 3)
        rgb = (float(r), float(g), float(b))
        if rng.random() < _TWO_COLORED:
            second = _choose(rng, SEEN, shape=pair.shape, avoid=pair.color).color
    angle, aspect = rng.uniform(-0.25, 0.25), rng.uniform(0.92, 1.09)
    x, y = center
    return Design(pair.color, pair.shape, second, rgb, large, radius, float(x), float(y), angle, aspect, placement)
