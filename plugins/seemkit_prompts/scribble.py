"""Scribble prompts: lines of a thin brush."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from seemkit.plugin import (
    Path2D,
    Region,
    Register,
    Size,
    hookimpl,
    read_path,
)
from seemkit_prompts.brush import BrushEncoder, BrushPrompt
from seemkit_prompts.strokes import Brush, Stroke

SEEMKIT_API = 2


@dataclass(frozen=True, slots=True, eq=False)
class Scribble(BrushPrompt):
    """A line drawn on the object or outside it.

    Attributes:
        points: (x, y) of the vertices; a single one makes a dot.
        width: width of the brush, in pixels.
        positive: False for a line outside the object.
        inside: bool [H, W]; pixels outside this mask do not count. For simulated users, who stay inside the object.

    Raises:
        InputError: no vertex is given, a number is not finite, the width is not positive, or a field has the wrong
            type.
    """

    points: Path2D
    width: float = 3.0
    positive: bool = True
    inside: Bool[Tensor, "H W"] | None = None

    def __post_init__(self) -> None:
        self._check("scribble", self.points, self.inside, width=self.width)


class ScribbleEncoder(BrushEncoder[Scribble]):
    """Marks the pixels under a line."""

    kind = "scribble"
    accepts = Scribble
    gesture = "stroke"
    brushes = (  # long and short lines of the reference's training
        Brush((10, 30), speed=20, acceleration=15, turn=0.5, width=(3, 10), jitter=3, drift=6),
        Brush((6, 22), speed=12, acceleration=8, turn=0.5, width=(2.5, 5), jitter=1.5, drift=3),
    )

    def region(self, prompt: Scribble, size: Size) -> Region:
        """Return the painted pixels."""
        return self.cover(prompt.points, prompt.width, prompt.inside, size, positive=prompt.positive)

    def painted(self, stroke: Stroke, mask: Tensor) -> Scribble:
        """Return the stroke as a scribble."""
        return Scribble(stroke.points, stroke.width, inside=mask)

    @classmethod
    def parse(cls, text: str) -> Scribble:
        """Return the line of ``"10,20,30,25,60,40"``, here three vertices; a leading ``-`` makes it negative."""
        positive, points = read_path("scribble", text, 1)
        return Scribble(points, positive=positive)


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``scribble``."""
    register(ScribbleEncoder)
