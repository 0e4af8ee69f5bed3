"""The stuff of a scene: one to three textured regions with wavy borders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seemkit.data.scenes.textures import Bank, Field
from seemkit.data.scenes.vocabulary import STUFF


def background(rng: np.random.Generator, bank: Bank, size: int) -> tuple[Field, NDArray[np.uint8], tuple[str, ...]]:
    """Return an image without things, its region map and the classes of the regions.

    Returns:
        The image, float32 [3, S, S], about 0..255; the map, uint8 [S, S], of region numbers from 1; the class of each
        region. Sky is always on top.
    """
    count = int(rng.choice(3, p=(0.2, 0.5, 0.3))) + 1
    drawn = [STUFF[i] for i in rng.permutation(len(STUFF))[:count]]
    classes = tuple(sorted(drawn, key=lambda name: name != "sky"))
    regions = _layout(rng, count, size)
    if "sky" not in classes and rng.random() < 0.2:
        regions = np.ascontiguousarray(regions.T)
    image = np.empty((3, size, size), np.float32)
    for number, name in enumerate(classes, start=1):
        gain, shift = np.float32(rng.uniform(0.8, 1.15)), rng.normal(0, 5, (3, 1, 1)).astype(np.float32)
        np.copyto(image, _crop(rng, bank, name, size) * gain + shift, where=regions == number)
    return image, regions, classes


def _layout(rng: np.random.Generator, count: int, size: int) -> NDArray[np.uint8]:
    """Return region numbers 1..count, uint8 [S, S], in bands from top to bottom with slanted, wavy borders."""
    unit = size / 128
    x, y = np.arange(size, dtype=np.float32)[None, :], np.arange(size, dtype=np.float32)[:, None]
    regions = np.ones((size, size), np.uint8)
    for number in range(1, count):
        level = (number + rng.uniform(-0.35, 0.35)) / count * size
        slant = rng.uniform(-0.18, 0.18) * (x - size / 2)
        length, phase = rng.uniform(8, 20) * unit, rng.uniform(0, 2 * np.pi)
        border = level + slant + rng.uniform(0, 5) * unit * np.sin(x / length + phase)
        border += rng.uniform(0, 2) * unit * np.sin(x / (0.37 * length) + 2 * phase)
        regions[y > border] = number + 1
    return regions


def _crop(rng: np.random.Generator, bank: Bank, name: str, size: int) -> NDArray[np.uint8]:
    """Return a random window [3, S, S] of a random texture of the class, mirrored half of the time."""
    texture = bank[name][rng.integers(len(bank[name]))]
    room = texture.shape[1] - size + 1
    # The sky's color depends on the height above the horizon, so its window starts at the top.
    top, left = (0 if name == "sky" else rng.integers(room)), rng.integers(room)
    window = texture[:, top : top + size, left : left + size]
    return window[..., ::-1] if rng.random() < 0.5 else window
