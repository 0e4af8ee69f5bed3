"""Lassos: a line drawn by hand around the object."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image, ImageDraw

from seemkit import Prompt, PromptEncoder, RegionPromptEncoder, Subject, hookimpl
from seemkit.errors import InputError
from seemkit.ops.region import Region
from seemkit.prompts.checks import check_path
from seemkit.prompts.parsing import read_path
from seemkit.types import Size

SEEMKIT_API = 1
SECTORS = 24


@dataclass(frozen=True, slots=True)
class Lasso(Prompt):
    """A closed line around the object.

    Attributes:
        points: (x, y) in pixels along the line, at least three.

    Raises:
        InputError: there are fewer, or a coordinate is no number.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", check_path("lasso", self.points, 3))


class LassoEncoder(RegionPromptEncoder[Lasso]):
    """The pixels within the line."""

    kind: ClassVar[str] = "lasso"
    accepts: ClassVar[type[Lasso]] = Lasso

    def region(self, prompt: Lasso, size: Size) -> Region:
        """The pixels within the line and on it."""
        canvas = Image.new("1", (size.width, size.height))
        ImageDraw.Draw(canvas).polygon([(math.floor(x), math.floor(y)) for x, y in prompt.points], fill=1)
        return Region.of(np.argwhere(np.asarray(canvas)), positive=True)

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Lasso]:
        """A line around the mask, with some slack that differs from direction to direction."""
        pixels = np.argwhere(subject.mask.cpu().numpy())
        if not len(pixels):
            return []
        center = pixels.mean(axis=0)
        away = pixels - center
        sector = ((np.arctan2(away[:, 0], away[:, 1]) / (2 * np.pi) % 1) * SECTORS).astype(int) % SECTORS
        reach = np.array([np.hypot(*away[sector == s].T).max(initial=0.0) for s in range(SECTORS)])
        reach = np.maximum(reach, np.maximum(np.roll(reach, 1), np.roll(reach, -1)) * 0.9) + 1
        reach *= 1 + 0.2 * torch.rand(SECTORS, generator=generator).numpy()
        angle = (np.arange(SECTORS) + 0.5) / SECTORS * 2 * np.pi
        x, y = center[1] + 0.5 + reach * np.cos(angle), center[0] + 0.5 + reach * np.sin(angle)
        return [Lasso(tuple(zip(x.tolist(), y.tolist(), strict=True)))]

    @classmethod
    def parse(cls, text: str) -> Lasso:
        """``"10,10,80,12,40,60"`` is the line through these three points."""
        positive, points = read_path("lasso", text, 3)
        if not positive:
            raise InputError(f"lasso {text!r}: a lasso lies around the object, so it has no sign")
        return Lasso(points)


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``lasso``."""
    register(LassoEncoder)
