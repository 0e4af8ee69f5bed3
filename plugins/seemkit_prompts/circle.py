"""Circle prompts: discs, and blobs of a thick brush."""

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
    read_numbers,
)
from seemkit_prompts.brush import BrushEncoder, BrushPrompt
from seemkit_prompts.strokes import Brush, Stroke

SEEMKIT_API = 2


@dataclass(frozen=True, slots=True, eq=False)
class Circle(BrushPrompt):
    """A disc on the object, or the blob that a disc covers as it moves like a brush.

    Attributes:
        points: (x, y) of the center; several points are the path of the center.
        radius: radius in pixels.
        positive: False for a blob outside the object.
        inside: bool [H, W]; pixels outside this mask do not count. For simulated users, who stay inside the object.

    Raises:
        InputError: no point is given, a number is not finite, the radius is not positive, or a field has the wrong
            type.
    """

    points: Path2D
    radius: float
    positive: bool = True
    inside: Bool[Tensor, "H W"] | None = None

    def __post_init__(self) -> None:
        self._check("circle", self.points, self.inside, radius=self.radius)


class CircleEncoder(BrushEncoder[Circle]):
    """Marks the pixels that a disc covers along its path."""

    kind = "circle"
    accepts = Circle
    gesture = "drag-circle"
    brushes = (  # three sizes of blobs of the reference's training
        Brush((5, 30), speed=15, acceleration=10, turn=1.5, width=(20, 50), jitter=10, drift=10),
        Brush((5, 15), speed=8, acceleration=4, turn=1.5, width=(20, 50), jitter=5, drift=10),
        Brush((5, 20), speed=7, acceleration=3.5, turn=1.5, width=(10, 30), jitter=5, drift=4),
    )

    def region(self, prompt: Circle, size: Size) -> Region:
        """Return the covered pixels."""
        return self.cover(prompt.points, 2 * prompt.radius, prompt.inside, size, positive=prompt.positive)

    def painted(self, stroke: Stroke, mask: Tensor) -> Circle:
        """Return the stroke as a moved disc."""
        return Circle(stroke.points, stroke.width / 2, inside=mask)

    @classmethod
    def parse(cls, text: str) -> Circle:
        """Return the disc of ``"120,80,15"``: center x 120, y 80, radius 15; a leading ``-`` makes it negative."""
        positive, (x, y, radius) = read_numbers("circle", text, "X,Y,RADIUS", lambda n: n == 3)
        return Circle(((x, y),), radius, positive)


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``circle``."""
    register(CircleEncoder)
