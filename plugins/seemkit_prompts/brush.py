"""The base of scribbles and circles, which are painted with a brush."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
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
    check_lengths,
    check_mask,
    check_path,
    check_sign,
    numpy_generator,
    paint,
)
from seemkit_prompts.strokes import Brush, Stroke, random_stroke, random_strokes

MOST = 5
"""Maximum number of strokes of one simulated user (reference: 1 to 5)."""

P = TypeVar("P", bound=Prompt)


@dataclass(frozen=True, slots=True, eq=False)
class BrushPrompt(Prompt):
    """Base of painted prompts."""

    def _check(self, kind: str, points: Path2D, inside: Tensor | None, **lengths: float) -> None:
        """Check and normalize the fields.

        Raises:
            InputError: there is no point, a number is not one, a length is not above 0, or `inside` is not a mask.
        """
        check_sign(kind, self.positive)
        self._normalize(points=check_path(kind, points, 1), **check_lengths(kind, **lengths))
        if inside is not None:
            self._normalize(inside=check_mask(kind, "inside", inside))


class BrushEncoder(RegionPromptEncoder[P]):
    """Base of the encoders of painted prompts.

    Args:
        embed_dim: C, channels of the tokens.
        scale: scale of simulated strokes; 1 suits images of about 1024 pixels, the reference's training size.

    Class attributes:
        brushes: brushes of simulated strokes; one is drawn for each object.
    """

    brushes: ClassVar[Sequence[Brush]]

    def __init__(self, embed_dim: int, scale: float = 1.0) -> None:
        super().__init__(embed_dim)
        self.scale = scale

    @abstractmethod
    def painted(self, stroke: Stroke, mask: Tensor) -> P:
        """Return the prompt of a user who drew this stroke inside a mask."""

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """Return 1 to 5 random strokes that start at random pixels of the mask, clipped to the mask."""
        mask = subject.mask
        if not bool(mask.any()):
            return []
        return self._visible(random_strokes(mask, self.brushes, MOST, self.scale, generator), mask)

    def start(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """Return one random stroke that starts at the most interior pixel of the mask, clipped to the mask."""
        mask = subject.mask
        if not bool(mask.any()):
            return []
        rng, click = numpy_generator(generator), center_click(mask)
        brush = self.brushes[int(rng.integers(len(self.brushes)))]
        return self._visible([random_stroke((click.x, click.y), brush, self.scale, rng)], mask)

    @staticmethod
    def cover(points: Path2D, width: float, inside: Tensor | None, size: Size, *, positive: bool) -> Region:
        """Return the region that a brush covers as it moves through the points.

        Args:
            points: (x, y).
            width: width of the brush, in pixels.
            inside: bool [H, W]; pixels outside this mask do not count.
            size: height and width of the image.
            positive: sign of the region.

        Raises:
            InputError: the size of `inside` differs from the image.
        """
        if inside is not None and tuple(inside.shape) != tuple(size):
            raise InputError(f"inside has shape {[*inside.shape]}; expected {[*size]}, the size of the image")
        return Region.of(paint(points, width, size, inside), positive=positive)

    def _visible(self, strokes: Sequence[Stroke], mask: Tensor) -> list[P]:
        """Return the prompts of the strokes that cover pixels of the mask (a stroke can be outside it)."""
        size = Size(*mask.shape)
        return [
            prompt for prompt in (self.painted(s, mask) for s in strokes) if len(self.region(prompt, size).positive)
        ]
