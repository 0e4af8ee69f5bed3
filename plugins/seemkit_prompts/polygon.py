"""Polygon prompts."""

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
"""Maximum number of corners of a simulated polygon (as in the reference)."""


@dataclass(frozen=True, slots=True)
class Polygon(Prompt):
    """The area of a polygon, clipped to the image.

    Attributes:
        points: (x, y) of the corners, at least three; a curve can have one or two.
        positive: False for an area outside the object.
        curve: True marks a smooth closed curve through the points instead of the area, as in SEEM's training.

    Raises:
        InputError: there are too few corners, a coordinate is not a finite number, or the sign is not a bool.
    """

    points: Path2D
    positive: bool = True
    curve: bool = False

    def __post_init__(self) -> None:
        check_sign("polygon", self.positive)
        self._normalize(points=check_path("polygon", self.points, 1 if self.curve else 3))


class PolygonEncoder(RegionPromptEncoder[Polygon]):
    """Marks the area of a polygon, as COCO's tools fill it, or the curve through its corners."""

    kind = "polygon"
    accepts = Polygon
    gesture = "path"

    def region(self, prompt: Polygon, size: Size) -> Region:
        """Return the pixels of the area or of the curve."""
        pixels = _curve(prompt, size) if prompt.curve else _area(prompt, size)
        return Region.of(pixels, positive=prompt.positive)

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Polygon]:
        """Return the smooth closed curve through 1 to 9 random pixels of the mask, in the order of their angle.

        The curve can leave the mask. The reference trains with such curves and calls them polygons.
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
        """Return the polygon of ``"10,20,60,20,30,70"``, here a triangle; a leading ``-`` makes it negative."""
        positive, points = read_path("polygon", text, 3)
        return Polygon(points, positive)


def _area(prompt: Polygon, size: Size) -> np.ndarray:
    # the time and memory of COCO's tools grow with the length of an edge, even far outside the image
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
