"""Scribbles: lines of a thin brush."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor

from seemkit import PromptEncoder, Scribble, hookimpl
from seemkit.ops.region import Region
from seemkit.ops.strokes import Brush, Stroke
from seemkit.prompts.parsing import read_path
from seemkit.types import Size
from seemkit_prompts.brush import BrushEncoder


class ScribbleEncoder(BrushEncoder[Scribble]):
    """The pixels under a line."""

    kind: ClassVar[str] = "scribble"
    accepts: ClassVar[type[Scribble]] = Scribble
    brushes: ClassVar[Sequence[Brush]] = (  # long and short lines of the reference's training
        Brush((10, 30), speed=20, acceleration=15, turn=0.5, width=(3, 10), jitter=3, drift=6),
        Brush((6, 22), speed=12, acceleration=8, turn=0.5, width=(2.5, 5), jitter=1.5, drift=3),
    )

    def region(self, prompt: Scribble, size: Size) -> Region:
        """The painted pixels."""
        return self.cover(prompt, prompt.width, size)

    def painted(self, stroke: Stroke, mask: Tensor) -> Scribble:
        """The stroke as a scribble."""
        return Scribble(stroke.points, stroke.width, inside=mask)

    @classmethod
    def parse(cls, text: str) -> Scribble:
        """``"10,20,30,25,60,40"`` is a line of three vertices; with ``-`` before it, one beside the object."""
        positive, points = read_path("scribble", text, 1)
        return Scribble(points, positive=positive)


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``scribble``."""
    register(ScribbleEncoder)
