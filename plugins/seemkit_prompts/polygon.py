"""Polygons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pycocotools import mask as coco_mask

from seemkit.plugin import (
    Path2D,
    Prompt,
    Region,
    RegionPromptEncoder,
    Register,
    Size,
    Subject,
    check_path,
    check_sign,
    hookimpl,
    numpy_generator,
    read_path,
)
from seemkit_prompts.curve import by_angle, clip, closed_curve

SEEMKIT_API = 2
MOST = 9
"""Most corners of a simulated polygon (reference)."""


@dataclass(frozen=True, slots=True)
class Polygon(Prompt):
    """The area within a closed line of straight edges; what lies outside the image is cut off.

    Attributes:
        points: its corners, at least three; one or two are allowed for a curve.
        positive: False for an area beside the object.
        curve: True marks a smooth closed curve through the points in the place of the area (SEEM's training does).

    Raises:
        InputError: there are too few corners, or a coordinate is no number.
    """

    points: Path2D
    positive: bool = True
    curve: bool = False

    def __post_init__(self) -> None:
        check_sign("polygon", self.positive)
        self._normalize(points=check_path("polygon", self.points, 1 if self.curve else 3))


class PolygonEncoder(RegionPromptEncoder[Polygon]):
    """The area within the corners as COCO's tools fill it, or the curve through them."""

    kind = "polygon"
    accepts = Polygon

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
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``polygon``."""
    register(PolygonEncoder)
