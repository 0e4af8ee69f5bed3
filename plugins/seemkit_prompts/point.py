"""Point prompts: positive and negative clicks."""

from __future__ import annotations

import torch

from seemkit.plugin import (
    InputError,
    Point,
    Region,
    RegionPromptEncoder,
    Register,
    Size,
    Subject,
    center_click,
    hookimpl,
    read_numbers,
    square,
)

SEEMKIT_API = 2


class PointEncoder(RegionPromptEncoder[Point]):
    """Marks a small square of pixels around each click.

    Args:
        embed_dim: C, channels of the tokens.
        side: side of the square in pixels (reference: 3).
        most: maximum number of points of a simulated user in training (reference: 20).
    """

    kind = "point"
    accepts = Point
    gesture = "click"

    def __init__(self, embed_dim: int, side: int = 3, most: int = 20) -> None:
        super().__init__(embed_dim)
        self.side = side
        self.most = most

    def region(self, prompt: Point, size: Size) -> Region:
        """Return the square around the pixel that contains the point.

        Raises:
            InputError: the point is outside the image.
        """
        if not (0 <= prompt.x <= size.width and 0 <= prompt.y <= size.height):
            raise InputError(
                f"point {prompt.x:g},{prompt.y:g} is outside the image of {size.width} x {size.height} pixels"
            )
        row, column = min(int(prompt.y), size.height - 1), min(int(prompt.x), size.width - 1)
        return Region.of(square(row, column, self.side, size), positive=prompt.positive)

    def dot(self, prompt: Point) -> tuple[float, float]:
        """Return the point."""
        return prompt.x, prompt.y

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Point]:
        """Return 1 to `most` random distinct pixels of the mask."""
        pixels = subject.mask.nonzero().cpu()
        if not len(pixels):
            return []
        count = int(torch.randint(1, min(self.most, len(pixels)) + 1, (1,), generator=generator))
        chosen = pixels[torch.randperm(len(pixels), generator=generator)[:count]]
        return [Point(column + 0.5, row + 0.5) for row, column in chosen.tolist()]

    def start(self, subject: Subject, generator: torch.Generator) -> list[Point]:
        """Return the pixel of the mask that is farthest from its border."""
        return [center_click(subject.mask)] if bool(subject.mask.any()) else []

    @classmethod
    def parse(cls, text: str) -> Point:
        """Return the click of ``"120,80"``: x 120, y 80; a leading ``-`` makes it negative."""
        positive, (x, y) = read_numbers("point", text, "X,Y", lambda n: n == 2)
        return Point(x, y, positive)


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``point``."""
    register(PointEncoder)
