"""What scribbles and circles share: both are painted with a brush."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from seemkit.plugin import (
    InputError,
    Path2D,
    Prompt,
    Region,
    RegionPromptEncoder,
    Size,
    Subject,
    center_click,
    numpy_generator,
    paint,
)
from seemkit_prompts.strokes import Brush, Stroke, random_stroke, random_strokes

MOST = 5
"""Most strokes of one simulated prompt (reference: 1 to 5)."""

P = TypeVar("P", bound=Prompt)


class BrushEncoder(RegionPromptEncoder[P]):
    """A kind of paint.

    Args:
        embed_dim: C, channels of the tokens.
        scale: of simulated strokes; 1 suits images of about 1024 pixels, the reference's training size.

    Class attributes:
        brushes: how simulated strokes look.
    """

    brushes: ClassVar[Sequence[Brush]]

    def __init__(self, embed_dim: int, scale: float = 1.0) -> None:
        super().__init__(embed_dim)
        self.scale = scale

    @abstractmethod
    def painted(self, stroke: Stroke, mask: Tensor) -> P:
        """The prompt that a user made who drew this stroke within a mask."""

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """1 to 5 random strokes from random pixels of the mask, cut at its border."""
        mask = subject.mask
        if not bool(mask.any()):
            return []
        return self._visible(random_strokes(mask, self.brushes, MOST, self.scale, generator), mask)

    def start(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """One random stroke from the most interior pixel of the mask, cut at its border."""
        mask = subject.mask
        if not bool(mask.any()):
            return []
        rng, click = numpy_generator(generator), center_click(mask)
        brush = self.brushes[int(rng.integers(len(self.brushes)))]
        return self._visible([random_stroke((click.x, click.y), brush, self.scale, rng)], mask)

    @staticmethod
    def cover(points: Path2D, width: float, inside: Tensor | None, size: Size, *, positive: bool) -> Region:
        """Return the pixels that a brush covers on its way through some points.

        Args:
            points: (x, y).
            width: of the brush, in pixels.
            inside: bool [H, W]; paint outside this mask does not count.
            size: of the image.
            positive: sign of the region.

        Raises:
            InputError: `inside` belongs to another image.
        """
        if inside is not None and tuple(inside.shape) != tuple(size):
            raise InputError(f"inside is of shape {[*inside.shape]}; this image has {[*size]}")
        return Region.of(paint(points, width, size, inside), positive=positive)

    def _visible(self, strokes: Sequence[Stroke], mask: Tensor) -> list[P]:
        """The prompts of the strokes that left paint on the mask (a stroke may drift off it)."""
        size = Size(*mask.shape)
        return [
            prompt for prompt in (self.painted(s, mask) for s in strokes) if len(self.region(prompt, size).positive)
        ]
