"""Short clips of generated things that move, or of a camera that moves, with exact masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from seemkit.data.scenes.background import background
from seemkit.data.scenes.paint import Light, Sprite, paint
from seemkit.data.scenes.scene import MIN_THING_AREA, make_scene
from seemkit.data.scenes.textures import Bank, texture_bank
from seemkit.data.scenes.things import Design, propose

NOISE = 3.0


@dataclass(frozen=True)
class Clip:
    """A clip.

    Attributes:
        frames: each uint8 [3, S, S].
        masks: bool [T, N, S, S], one row an object of the first frame; empty where it is hidden.
    """

    frames: Sequence[Tensor]
    masks: Tensor


def moving(seed: int, frames: int = 16, size: int = 128, things: int = 3, step: float = 5.0) -> Clip:
    """Things that fly straight on over a still background, turn round at its edges, and cover each other.

    Args:
        seed: of the scene, the directions and the noise.
        frames: T.
        size: S, at least 64.
        things: number of things; those that are hidden at first are no objects.
        step: pixels that a thing moves from frame to frame, in scenes of 128 pixels.
    """
    rng = np.random.default_rng((seed, 1))
    still, _, _ = background(rng, _bank(size), size)
    designs: list[Design] = []
    while len(designs) < things:
        design = propose(rng, designs, 0.0, size)
        if design is not None:
            designs.append(design)
    courses = [_course(rng, design, frames, size, step * size / 128) for design in designs]
    light = Light.draw(rng, size)
    pictures, ids = [], []
    for time in range(frames):
        picture, drawn = still.copy(), np.zeros((size, size), np.uint8)
        for number, course in enumerate(courses, start=1):
            sprite = Sprite.rasterize(course[time], light, size)
            paint(np.random.default_rng((seed, number)), picture, course[time], sprite)
            drawn[sprite.window][sprite.mask] = number
        noisy = picture + rng.normal(0, NOISE, picture.shape)
        pictures.append(torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)))
        ids.append(drawn)
    return _clip(pictures, np.stack(ids), range(1, things + 1))


def panned(seed: int, frames: int = 16, size: int = 128) -> Clip:
    """A camera that moves over a scene of one and a half times the side, from the upper left to the lower right."""
    scene = make_scene(seed, "test", 0, size * 3 // 2)
    places = np.linspace(0, size // 2, frames).round().astype(int)
    windows = [np.s_[at : at + size, at : at + size] for at in places.tolist()]
    pictures = [torch.from_numpy(scene.image[window]).permute(2, 0, 1).contiguous() for window in windows]
    return _clip(pictures, np.stack([scene.ids[window] for window in windows]), [thing.id for thing in scene.things])


def _clip(frames: Sequence[Tensor], ids: np.ndarray, things: Sequence[int]) -> Clip:
    least = MIN_THING_AREA * ids[0].size / 128**2
    seen = [number for number in things if (ids[0] == number).sum() >= least]
    return Clip(frames, torch.from_numpy(np.stack([ids == number for number in seen], axis=1)))


def _course(rng: np.random.Generator, design: Design, frames: int, size: int, step: float) -> list[Design]:
    """The thing at every moment."""
    angle = rng.uniform(0, 2 * np.pi)
    start, velocity = np.array([design.x, design.y]), step * np.array([np.cos(angle), np.sin(angle)])
    path = start + np.arange(frames)[:, None] * velocity
    path = size - np.abs(size - np.abs(path) % (2 * size))
    return [replace(design, x=float(x), y=float(y)) for x, y in path]


@cache
def _bank(size: int) -> Bank:
    return texture_bank(np.random.default_rng(0), size)
