"""What a user can say about an object. Coordinates are (x, y) in pixels of the original image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from seemkit.nn.context import ImageContext


@dataclass(frozen=True, slots=True)
class Prompt:
    """Base of all prompt values."""


@dataclass(frozen=True, slots=True)
class Point(Prompt):
    """A click on the object, or beside it.

    Attributes:
        x: column, 0..width; pixel centres are at +0.5.
        y: row, 0..height.
        positive: True if the object is here, False if it is not.
    """

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Text(Prompt):
    """A class name or a referring expression.

    Attributes:
        text: for example ``"the red star left of the ring"``; not empty.
    """

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Mask(Prompt):
    """A region of the image, given pixel by pixel.

    Attributes:
        mask: bool [H, W], of the size of the image.
        positive: True if it lies on the object, False if it lies beside it.
    """

    mask: Tensor
    positive: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class RegionOf(Prompt):
    """A region of another image that shows what is looked for.

    Attributes:
        image: the other image, encoded alone by the same network (`SEEM.encode_image`, or the `context` of a session).
        prompts: what marks the region in it: points, masks, or any other kinds that mark pixels.
    """

    image: ImageContext
    prompts: tuple[Prompt, ...]
