"""Polygons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from pycocotools import mask as coco_mask

from seemkit import Polygon, PromptEncoder, RegionPromptEncoder, Subject, hookimpl
from seemkit.ops.curve import by_angle, clip, closed_curve
from seemkit.ops.region import Region
from seemkit.ops.strokes import numpy_generator
from seemkit.prompts.parsing import read_path
from seemkit.types import Size

MOST = 9
"""Most corners of a simulated polygon (reference)."""


class PolygonEncoder(RegionPromptEncoder[Polygon]):
    """The area within the corners as COCO's tools fill it, or the curve through them."""

    kind: ClassVar[str] = "polygon"
    accepts: ClassVar[type[Polygon]] = Polygon

    def region(self, prompt: Polygon, size: Size) -> Region:
        """The marked pixels."""
        pixels = _curve(prompt, size) if prompt.curve else _area(prompt, size)
        return Region.of(pixels, positive=prompt.positive)

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Polygon]:
        """The smooth closed curve through 1 to 9 random pixels of the mask, in the order of their angle.

        The curve need not stay within the mask. This is what the reference calls a polygon and trains with.
        """
        pixels = np.argwhere(subject.mask.cpu().numpy())
        if not len(pixels):
            return []
        rng = numpy_generator(generator)
        chosen = rng.choice(pixels, rng.integers(1, min(MOST, len(pixels)) + 1), replace=False)
        corners = by_angle(chosen[:, ::-1] + 0.5)
        return [Polygon(tuple((float(x), float(y)) for x, y in corners), curve=True)]

    @classmethod
    def parse(cls, text: str) -> Polygon:
        """``"10,20,60,20,30,70"`` is the triangle of these corners; with ``-`` before it, one beside the object."""
        positive, points = read_path("polygon", text, 3)
        return Polygon(points, positive)


def _area(prompt: Polygon, size: Size) -> np.ndarray:
    # COCO's tools take time and memory by the length of an edge, however far outside it lies
    corners = clip(np.array(prompt.points), size)
    if len(corners) < 3:
        return np.zeros((0, 2), dtype=np.int64)
    flat = corners.flatten().tolist()
    (encoded,) = coco_mask.frPyObjects([flat], size.height, size.width)
    return np.argwhere(coco_mask.decode(encoded))


def _curve(prompt: Polygon, size: Size) -> np.ndarray:
    pixels = np.floor(closed_curve(np.array(prompt.points))).astype(np.int64)[:, ::-1]
    return np.unique(pixels[((pixels >= 0) & (pixels < size)).all(axis=1)], axis=0)


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``polygon``."""
    register(PolygonEncoder)
