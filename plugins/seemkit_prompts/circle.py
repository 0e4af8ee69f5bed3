"""Circles: discs, and blobs of a thick brush."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor

from seemkit import Circle, PromptEncoder, hookimpl
from seemkit.ops.region import Region
from seemkit.ops.strokes import Brush, Stroke
from seemkit.prompts.parsing import read_numbers
from seemkit.types import Size
from seemkit_prompts.brush import BrushEncoder


class CircleEncoder(BrushEncoder[Circle]):
    """The pixels under a disc that may have moved."""

    kind: ClassVar[str] = "circle"
    accepts: ClassVar[type[Circle]] = Circle
    brushes: ClassVar[Sequence[Brush]] = (  # three sizes of blobs of the reference's training
        Brush((5, 30), speed=15, acceleration=10, turn=1.5, width=(20, 50), jitter=10, drift=10),
        Brush((5, 15), speed=8, acceleration=4, turn=1.5, width=(20, 50), jitter=5, drift=10),
        Brush((5, 20), speed=7, acceleration=3.5, turn=1.5, width=(10, 30), jitter=5, drift=4),
    )

    def region(self, prompt: Circle, size: Size) -> Region:
        """The covered pixels."""
        return self.cover(prompt, 2 * prompt.radius, size)

    def painted(self, stroke: Stroke, mask: Tensor) -> Circle:
        """The stroke as a moved disc."""
        return Circle(stroke.points, stroke.width / 2, inside=mask)

    @classmethod
    def parse(cls, text: str) -> Circle:
        """``"120,80,15"`` is a disc around x 120, y 80 of radius 15; with ``-`` before it, one beside the object."""
        positive, (x, y, radius) = read_numbers("circle", text, "X,Y,RADIUS", lambda n: n == 3)
        return Circle(((x, y),), radius, positive)


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``circle``."""
    register(CircleEncoder)
