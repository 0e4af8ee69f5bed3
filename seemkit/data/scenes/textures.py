"""Procedural textures of stuff: one function per class, and the bank of textures that scenes crop from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from seemkit.data.scenes.vocabulary import STUFF

Field: TypeAlias = NDArray[np.floating]
"""Always float32; the annotation is wider because type checkers infer float64 for some float32 arithmetic."""
Color: TypeAlias = tuple[float, float, float]
Bank: TypeAlias = dict[str, list[NDArray[np.uint8]]]

TEXTURES_PER_CLASS: Final = 6
BANK_SCALE: Final = 1.8
"""Side of a texture divided by the side of a scene."""


def texture_bank(rng: np.random.Generator, size: int) -> Bank:
    """Return several textures, uint8 [3, 1.8 size, 1.8 size], for each stuff class and scenes of `size` pixels."""
    side, unit = int(size * BANK_SCALE), size / 128
    return {
        name: [
            np.clip(_PAINTERS[name](rng, side, unit), 0, 255).astype(np.uint8).transpose(2, 0, 1).copy()
            for _ in range(TEXTURES_PER_CLASS)
        ]
        for name in STUFF
    }


def _noise(rng: np.random.Generator, side: int, *cells: float, stretch: float = 1.0) -> Field:
    """Return smooth noise [side, side], about 0..1: mean of one field per cell size; `stretch` makes cells taller."""
    total = np.zeros((side, side), np.float32)
    for cell in cells:
        shape = (int(side / max(cell * stretch, 1)) + 2, int(side / max(cell, 1)) + 2)
        grid = Image.fromarray(rng.random(shape, dtype=np.float32))
        total += np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)) / len(cells)
    return total


def _mix(first: Color | Field, second: Color | Field, amount: Field) -> Field:
    """Return the blend [H, W, 3] of two colors; amount 0 gives the first, 1 the second."""
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return a + (b - a) * amount[..., None]


def _grain(rng: np.random.Generator, side: int, strength: float) -> Field:
    """Return fine per-pixel brightness factors [side, side, 1] around 1."""
    return 1 + strength * (rng.random((side, side, 1), dtype=np.float32) - 0.5)


def _axes(side: int) -> tuple[Field, Field]:
    """Return the row and column coordinates, [side, 1] and [1, side]."""
    line = np.arange(side, dtype=np.float32)
    return line[:, None], line[None, :]


def _sky(rng: np.random.Generator, side: int, unit: float) -> Field:
    y, _ = _axes(side)
    blue = _mix((84, 143, 222), (196, 221, 244), np.clip(y / side + 0.2 * _noise(rng, side, 55 * unit), 0, 1))
    clouds = _noise(rng, side, 48 * unit, 48 * unit, 22 * unit, 10 * unit, 5 * unit)
    return _mix(blue, (246, 246, 248), np.clip((clouds - 0.5) * 4, 0, 0.85))


def _grass(rng: np.random.Generator, side: int, unit: float) -> Field:
    blades = _noise(rng, side, 1.4 * unit, 2.2 * unit, stretch=4)
    lawn = _mix((34, 78, 22), (120, 172, 66), 0.75 * blades + 0.3 * _noise(rng, side, 24 * unit))
    return lawn * _grain(rng, side, 0.25)


def _water(rng: np.random.Generator, side: int, unit: float) -> Field:
    y, x = _axes(side)
    swell = _noise(rng, side, 36 * unit, 18 * unit)
    waves = np.sin(y / (3.2 * unit) + 13 * swell + x / (40 * unit))
    sea = _mix((18, 66, 112), (74, 142, 180), 0.35 * waves + 0.35 + 0.4 * swell)
    return sea + (np.clip(waves - 0.85, 0, 1) * 450 * _noise(rng, side, 9 * unit))[..., None]


def _brick(rng: np.random.Generator, side: int, unit: float) -> Field:
    y, x = _axes(side)
    height, width, joint = 14 * unit, 30 * unit, 2.2 * unit
    rough = _noise(rng, side, 3 * unit)
    y = y + rough * unit
    row = (y / height).astype(np.intp)
    x = x + (row % 2) * width / 2 + rough * unit
    column = (x / width).astype(np.intp)
    tones = rng.random((row.max() + 1, column.max() + 1), dtype=np.float32)
    wall = _mix((122, 54, 42), (182, 98, 70), tones[row, column])
    mortar = (y % height < joint) | (x % width < joint)
    wall[mortar] = (186, 178, 168)
    return wall * (0.8 + 0.25 * _noise(rng, side, 4 * unit) + 0.15 * rough)[..., None]


def _sand(rng: np.random.Generator, side: int, unit: float) -> Field:
    y, _ = _axes(side)
    ripples = np.sin(y / (6 * unit) + 10 * _noise(rng, side, 40 * unit))
    dunes = _mix((200, 174, 120), (232, 210, 158), _noise(rng, side, 36 * unit, 11 * unit))
    return dunes * (0.96 + 0.05 * ripples)[..., None] * _grain(rng, side, 0.2)


def _wood(rng: np.random.Generator, side: int, unit: float) -> Field:
    _, x = _axes(side)
    width = 32 * unit
    plank = np.broadcast_to((x / width).astype(np.intp), (side, side))
    tones = rng.random(plank.max() + 1, dtype=np.float32)[plank]
    bent = x + 14 * unit * _noise(rng, side, 22 * unit, stretch=3) + 60 * unit * tones
    rings = np.sin(bent / (1.7 * unit)) + 0.8 * _noise(rng, side, 1.2 * unit, stretch=14)
    planks = _mix((96, 60, 30), (172, 122, 72), 0.2 * rings + 0.5 * tones + 0.2)
    planks[np.broadcast_to(x % width < 1.5 * unit, (side, side))] *= 0.4
    return planks


def _road(rng: np.random.Generator, side: int, unit: float) -> Field:
    asphalt = _mix((62, 62, 66), (112, 112, 114), _noise(rng, side, 1.2 * unit, 2.4 * unit, 36 * unit))
    cracks = np.abs(_noise(rng, side, 34 * unit, 12 * unit) - 0.5) < 0.006
    asphalt[cracks] *= 0.6
    return asphalt * _grain(rng, side, 0.25)


def _leaves(rng: np.random.Generator, side: int, unit: float) -> Field:
    """Return a dark hedge covered with many small pointed leaves; later leaves are lighter."""
    picture = Image.new("RGB", (side, side), (14, 34, 16))
    draw = ImageDraw.Draw(picture)
    count = int(2.2 * (side / (6 * unit)) ** 2)
    length, width = rng.uniform(3.2, 6, count) * unit, rng.uniform(1.2, 2.2, count) * unit
    angle, x, y = rng.uniform(0, 2 * np.pi, count), rng.uniform(0, side, count), rng.uniform(0, side, count)
    green = np.linspace(0.35, 1, count) * rng.uniform(0.75, 1.1, count)
    along = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * length[:, None]
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=-1) * width[:, None]
    center = np.stack([x, y], axis=-1)
    corners = np.stack([center - along, center + across, center + along, center - across], axis=1)
    fills = (np.stack([92 * green * rng.uniform(0.6, 1.25, count), 148 * green, 44 * green], -1)).astype(int)
    for outline, fill in zip(corners.reshape(count, 8).tolist(), fills.tolist(), strict=True):
        draw.polygon(outline, fill=tuple(fill))
    return np.asarray(picture, np.float32) * (0.75 + 0.5 * _noise(rng, side, 24 * unit))[..., None]


_PAINTERS: Final[dict[str, Callable[[np.random.Generator, int, float], Field]]] = {
    "sky": _sky,
    "grass": _grass,
    "water": _water,
    "brick": _brick,
    "sand": _sand,
    "wood": _wood,
    "road": _road,
    "leaves": _leaves,
}
