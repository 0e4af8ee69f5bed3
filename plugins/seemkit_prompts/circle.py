"""Circles: discs, and blobs of a thick brush."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from seemkit.plugin import (
    Path2D,
    Prompt,
    Region,
    Register,
    Size,
    check_lengths,
    check_mask,
    check_path,
    check_sign,
    hookimpl,
    read_numbers,
)
from seemkit_prompts.brush import BrushEncoder
from seemkit_prompts.strokes import Brush, Stroke

SEEMKIT_API = 2


@dataclass(frozen=True, slots=True, eq=False)
class Circle(Prompt):
    """A disc on the object, or the blob that a disc leaves when it is moved like a brush.

    Attributes:
        points: where its center is; of several, the path of the center.
        radius: in pixels.
        positive: False for a blob beside the object.
        inside: as for `Scribble`.

    Raises:
        InputError: there is no center, a coordinate is no number, or the radius is not positive.
    """

    points: Path2D
    radius: float
    positive: bool = True
    inside: Bool[Tensor, "H W"] | None = None

    def __post_init__(self) -> None:
        check_sign("circle", self.positive)
        self._normalize(points=check_path("circle", self.points, 1), **check_lengths("circle", radius=self.radius))
        if self.inside is not None:
            self._normalize(inside=check_mask("circle", "inside", self.inside))


class CircleEncoder(BrushEncoder[Circle]):
    """The pixels under a disc that may have moved."""

    kind = "circle"
    accepts = Circle
    brushes = (  # three sizes of blobs of the reference's training
        Brush((5, 30), speed=15, acceleration=10, turn=1.5, width=(20, 50), jitter=10, drift=10),
        Brush((5, 15), speed=8, acceleration=4, turn=1.5, width=(20, 50), jitter=5, drift=10),
        Brush((5, 20), speed=7, acceleration=3.5, turn=1.5, width=(10, 30), jitter=5, drift=4),
    )

    def region(self, prompt: Circle, size: Size) -> Region:
        """The covered pixels."""
        return self.cover(prompt.points, 2 * prompt.radius, prompt.inside, size, positive=prompt.positive)

    def painted(self, stroke: Stroke, mask: Tensor) -> Circle:
        """The stroke as a moved disc."""
        return Circle(stroke.points, stroke.width / 2, inside=mask)

    @classmethod
    def parse(cls, text: str) -> Circle:
        """``"120,80,15"`` is a disc around x 120, y 80 of radius 15; with ``-`` before it, one beside the object."""
        positive, (x, y, radius) = read_numbers("circle", text, "X,Y,RADIUS", lambda n: n == 3)
        return Circle(((x, y),), radius, positive)


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``circle``."""
    register(CircleEncoder)
