"""Lasso prompts: a line drawn by hand around the object."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

from seemkit.plugin import Prompt, Region, RegionPromptEncoder, Register, Size, Subject, check_path, hookimpl, read_path

SEEMKIT_API = 2
RAYS = 24


@dataclass(frozen=True, slots=True)
class Lasso(Prompt):
    """A closed line around the object, through at least three points (x, y) in pixels."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        self._normalize(points=check_path("lasso", self.points, 3))


class LassoEncoder(RegionPromptEncoder[Lasso]):
    """Marks the pixels inside the line and on it."""

    kind, accepts, gesture = "lasso", Lasso, "stroke"

    def region(self, prompt: Lasso, size: Size) -> Region:
        """Return the pixels inside the line and on it."""
        canvas = Image.new("1", (size.width, size.height))
        ImageDraw.Draw(canvas).polygon([(math.floor(x), math.floor(y)) for x, y in prompt.points], fill=1)
        return Region.of(np.argwhere(np.asarray(canvas)), positive=True)

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Lasso]:
        """Return a line around the mask, farther out by a random factor of up to 1.2 in each direction."""
        pixels = np.argwhere(subject.mask.cpu().numpy())[:, ::-1] + 0.5
        if not len(pixels):
            return []
        center = pixels.mean(axis=0)
        x, y = (pixels - center).T
        angles = np.arange(RAYS) / RAYS * 2 * np.pi
        reach = np.maximum(np.cos(angles)[:, None] * x + np.sin(angles)[:, None] * y, 0).max(axis=1) + 1
        reach *= (1 + 0.2 * torch.rand(RAYS, generator=generator).numpy()) / np.cos(np.pi / RAYS)
        around = np.stack((np.cos(angles), np.sin(angles)), axis=1) * reach[:, None]
        return [Lasso((around + center).tolist())]

    @classmethod
    def parse(cls, text: str) -> Lasso:
        """Return the line through the points of ``"10,10,80,12,40,60"``."""
        return Lasso(read_path("lasso", text, 3, signed=False)[1])


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``lasso``."""
    register(LassoEncoder)
