"""What scribbles and circles share: both are painted with a brush."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from seemkit import Circle, RegionPromptEncoder, Scribble, Subject
from seemkit.errors import InputError
from seemkit.interactive.clicker import center_click
from seemkit.ops.region import Region
from seemkit.ops.strokes import Brush, Stroke, numpy_generator, paint, random_stroke, random_strokes
from seemkit.prompts.values import Prompt
from seemkit.types import Size

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
    def cover(prompt: Scribble | Circle, width: float, size: Size) -> Region:
        """The pixels that a brush of some width covers on its way through the prompt's points.

        Raises:
            InputError: the prompt's limit is of another image.
        """
        if prompt.inside is not None and tuple(prompt.inside.shape) != tuple(size):
            raise InputError(f"inside is of shape {[*prompt.inside.shape]}; this image has {[*size]}")
        return Region.of(paint(prompt.points, width, size, prompt.inside), positive=prompt.positive)

    def _visible(self, strokes: Sequence[Stroke], mask: Tensor) -> list[P]:
        """The prompts of the strokes that left paint on the mask (a stroke may drift off it)."""
        size = Size(*mask.shape)
        return [
            prompt for prompt in (self.painted(s, mask) for s in strokes) if len(self.region(prompt, size).positive)
        ]
