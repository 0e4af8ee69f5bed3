"""Box prompts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from seemkit.plugin import (
    InputError,
    Prompt,
    Region,
    RegionPromptEncoder,
    Register,
    Size,
    Subject,
    check_numbers,
    check_sign,
    hookimpl,
    read_numbers,
)

SEEMKIT_API = 2
NOISE = 0.1
MOST_NOISE = 20.0


@dataclass(frozen=True, slots=True)
class Box(Prompt):
    """A box around the object, clipped to the image.

    Attributes:
        x0: left edge.
        y0: top edge.
        x1: right edge, greater than `x0`.
        y1: bottom edge, greater than `y0`.
        positive: False for a box outside the object.

    Raises:
        InputError: a coordinate is not a finite number, the box has no area, or the sign is not a bool.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    positive: bool = True

    def __post_init__(self) -> None:
        corners = check_numbers("box", x0=self.x0, y0=self.y0, x1=self.x1, y1=self.y1)
        self._normalize(**corners)
        check_sign("box", self.positive)
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            said = ",".join(f"{value:g}" for value in corners.values())
            raise InputError(
                f"box {said} has no area; expected left, top, right, bottom with left < right and top < bottom"
            )


class BoxEncoder(RegionPromptEncoder[Box]):
    """Marks all pixels of a box. The reference uses boxes neither in training nor in evaluation."""

    kind = "box"
    accepts = Box
    gesture = "drag-box"

    def region(self, prompt: Box, size: Size) -> Region:
        """Return the pixels whose centers are in the box; if there are none, the pixel at the center of the box."""
        rows = _centers(prompt.y0, prompt.y1, size.height)
        columns = _centers(prompt.x0, prompt.x1, size.width)
        grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
        return Region.of(grid.reshape(-1, 2), positive=prompt.positive)

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Box]:
        """Return the tight box with noise on each edge.

        The standard deviation of the noise is a tenth of the side of the box, at most 20 pixels. Source: Segment
        Anything (arXiv 2304.02643), section "training algorithm" of the appendix.
        """
        found = self.start(subject, generator)
        if not found:
            return []
        tight = np.array([found[0].x0, found[0].y0, found[0].x1, found[0].y1])
        noise = np.minimum(NOISE * np.tile(tight[2:] - tight[:2], 2), MOST_NOISE)
        moved = tight + noise * torch.randn(4, generator=generator).clamp(-3, 3).numpy()
        height, width = subject.size
        x0, y0, x1, y1 = np.clip(moved, 0, [width, height, width, height]).tolist()
        return [Box(x0, y0, x1, y1)] if x1 - x0 >= 1 and y1 - y0 >= 1 else found

    def start(self, subject: Subject, generator: torch.Generator) -> list[Box]:
        """Return the tight box."""
        rows, columns = (subject.mask.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
        return [Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)] if rows else []

    @classmethod
    def parse(cls, text: str) -> Box:
        """Return the box of ``"10,20,110,90"``: x 10 to 110, y 20 to 90; a leading ``-`` makes it negative."""
        positive, (x0, y0, x1, y1) = read_numbers("box", text, "LEFT,TOP,RIGHT,BOTTOM", lambda n: n == 4)
        return Box(x0, y0, x1, y1, positive)


def _centers(low: float, high: float, length: int) -> np.ndarray:
    """Return the indices of the pixels, in a row of `length` pixels, whose centers are between two coordinates.

    If no center is between them, return the pixel in the middle.
    """
    first, last = (min(max(0, math.ceil(edge - 0.5)), length) for edge in (low, high))
    if first >= last and 0 <= (middle := math.floor((low + high) / 2)) < length:
        first, last = middle, middle + 1
    return np.arange(first, last)


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``box``."""
    register(BoxEncoder)
