"""One scene: image, exact panoptic map, things and referring expressions."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from seemkit.data.scenes.background import background
from seemkit.data.scenes.paint import Light, Sprite, paint
from seemkit.data.scenes.phrases import Expression, expressions
from seemkit.data.scenes.textures import Bank, Field, texture_bank
from seemkit.data.scenes.things import Design, Thing, propose

UNSEEN_CHANCE: Final = 0.5
"""Chance that a thing outside the training splits has a held-out color and shape."""
THING_COUNTS: Final = {2: 0.15, 3: 0.27, 4: 0.3, 5: 0.28}
"""Chance of each number of things; a crowded scene can have fewer, but at least two."""
_ATTEMPTS: Final = 20

# Least number of visible pixels in a scene of 128 x 128, and least visible share of a thing.
MIN_THING_AREA: Final = 120
MIN_STUFF_AREA: Final = 300
_MIN_VISIBLE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Scene:
    """A finished scene.

    Attributes:
        image: uint8 [S, S, 3], RGB.
        ids: uint8 [S, S], the panoptic map; every pixel belongs to a segment 1..N.
        classes: the class names of the segments 1..N, stuff first.
        things: the things, in painting order.
        expressions: unambiguous phrases for the things.
    """

    image: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    classes: tuple[str, ...]
    things: tuple[Thing, ...]
    expressions: tuple[Expression, ...]


def make_scene(seed: int, split: str, index: int, size: int = 128) -> Scene:
    """Return scene number `index` of a split; it depends on the arguments only.

    Splits whose name starts with ``"train"`` never contain a held-out pair of color and shape. Each split has its own
    textures.

    Args:
        seed: at least 0.
        split: any name.
        index: at least 0.
        size: height and width in pixels; thicknesses and lengths scale with it.
    """
    rng = np.random.default_rng((seed, _number(split), index + 1))
    return compose(rng, _bank(seed, split, size), size, 0.0 if split.startswith("train") else UNSEEN_CHANCE)


def _number(split: str) -> int:
    return zlib.crc32(split.encode())


@lru_cache(maxsize=4)
def _bank(seed: int, split: str, size: int) -> Bank:
    return texture_bank(np.random.default_rng((seed, _number(split), 0)), size)


def compose(rng: np.random.Generator, bank: Bank, size: int, unseen: float) -> Scene:
    """Return a scene with at least two things and at least one phrase.

    Args:
        rng: source of all randomness.
        bank: textures for scenes of `size` pixels.
        size: height and width in pixels.
        unseen: chance that a thing has a held-out pair of color and shape; 0 for training.
    """
    while True:
        image, ids, stuff = background(rng, bank, size)
        designs = _add_things(rng, image, ids, len(stuff), unseen)
        things = _visible(ids, len(stuff), designs)
        phrases = expressions(rng, things, size)
        if len(things) >= min(THING_COUNTS) and phrases:
            classes = (*stuff, *(design.shape for design in designs))
            return Scene(_photograph(rng, image), ids, classes, things, phrases)


def _add_things(
    rng: np.random.Generator, image: Field, ids: NDArray[np.uint8], regions: int, unseen: float
) -> list[Design]:
    """Paint things into `image` and `ids`, in place; return their designs in order."""
    size = ids.shape[0]
    light = Light.draw(rng, size)
    wanted = rng.choice(list(THING_COUNTS), p=list(THING_COUNTS.values()))
    designs: list[Design] = []
    least = [MIN_STUFF_AREA * (size / 128) ** 2] * regions
    for _ in range(_ATTEMPTS):
        if len(designs) == wanted:
            break
        design = propose(rng, designs, unseen, size)
        if design is None:
            continue
        sprite = Sprite.rasterize(design, light, size)
        need = max(MIN_THING_AREA * (size / 128) ** 2, _MIN_VISIBLE * sprite.full)
        if _claim(ids, sprite, [*least, need]):
            paint(rng, image, design, sprite)
            designs.append(design)
            least.append(need)
    return designs


def _claim(ids: NDArray[np.uint8], sprite: Sprite, least: Sequence[float]) -> bool:
    """Add the sprite to `ids` as the last segment if all segments keep their `least` area; return whether it fits."""
    region, mask, count = ids[sprite.window], sprite.mask, len(least) + 1
    areas = np.bincount(ids.ravel(), minlength=count) - np.bincount(region[mask], minlength=count)
    areas[-1] = np.count_nonzero(mask)
    fits = bool((areas[1:] >= least).all())
    if fits:
        region[mask] = len(least)
    return fits


def _visible(ids: NDArray[np.uint8], regions: int, designs: Sequence[Design]) -> tuple[Thing, ...]:
    """Return the things as visible in the finished map."""
    things = []
    for number, d in enumerate(designs, start=regions + 1):
        y, x = np.nonzero(ids == number)
        things.append(
            Thing(number, d.color, d.shape, d.second, d.large, float(x.mean()), float(y.mean()), len(x), d.placement)
        )
    return tuple(things)


def _photograph(rng: np.random.Generator, image: Field) -> NDArray[np.uint8]:
    """Return the image, uint8 [S, S, 3], as a camera would record it: with uneven light, exposure and noise."""
    size = image.shape[1]
    line = np.linspace(-1, 1, size, dtype=np.float32)
    across, down = rng.uniform(-0.1, 0.1, 2).astype(np.float32)
    light = np.float32(rng.uniform(0.82, 1.1)) * (1 + across * line[None, :] + down * line[:, None])
    noise = rng.standard_normal((size, size), dtype=np.float32) * np.float32(rng.uniform(1, 7))
    return np.clip(image * light + noise, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()
