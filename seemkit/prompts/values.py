"""What a user can say about an object. Coordinates are (x, y) in pixels of the original image.

A value that makes no sense in any image cannot be made: its constructor raises `InputError`. Whether it makes sense in
one image is for the kind's encoder to check.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from seemkit.errors import InputError
from seemkit.nn.context import ImageContext
from seemkit.prompts.checks import Path2D, check_lengths, check_mask, check_numbers, check_path, check_sign


@dataclass(frozen=True, slots=True)
class Prompt:
    """Base of all prompt values."""


@dataclass(frozen=True, slots=True)
class Point(Prompt):
    """A click on the object, or beside it.

    Attributes:
        x: column, 0..width; pixel centers are at +0.5.
        y: row, 0..height.
        positive: True if the object is here, False if it is not.

    Raises:
        InputError: a coordinate is no number.
    """

    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        _set(self, **check_numbers("point", x=self.x, y=self.y))
        check_sign("point", self.positive)


@dataclass(frozen=True, slots=True)
class Box(Prompt):
    """A box that the object fills; what lies outside the image is cut off.

    Attributes:
        x0: left edge.
        y0: top edge.
        x1: right edge, greater than `x0`.
        y1: bottom edge, greater than `y0`.
        positive: False for a box beside the object.

    Raises:
        InputError: a coordinate is no number, or the box has no area.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    positive: bool = True

    def __post_init__(self) -> None:
        corners = check_numbers("box", x0=self.x0, y0=self.y0, x1=self.x1, y1=self.y1)
        _set(self, **corners)
        check_sign("box", self.positive)
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            said = ",".join(f"{value:g}" for value in corners.values())
            raise InputError(
                f"box {said} has no area: expected left, top, right, bottom with left < right, top < bottom"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Scribble(Prompt):
    """A line drawn on the object, or beside it.

    Attributes:
        points: its vertices; one makes a dot.
        width: of the brush, in pixels.
        positive: False for a line beside the object.
        inside: bool [H, W]; paint outside of it does not count. For simulated users, who stay within the object.

    Raises:
        InputError: there is no vertex, a coordinate is no number, or the width is not positive.
    """

    points: Path2D
    width: float = 3.0
    positive: bool = True
    inside: Bool[Tensor, "H W"] | None = None

    def __post_init__(self) -> None:
        check_sign("scribble", self.positive)
        _set(self, points=check_path("scribble", self.points, 1), **check_lengths("scribble", width=self.width))
        if self.inside is not None:
            _set(self, inside=check_mask("scribble", "inside", self.inside))


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
        _set(self, points=check_path("circle", self.points, 1), **check_lengths("circle", radius=self.radius))
        if self.inside is not None:
            _set(self, inside=check_mask("circle", "inside", self.inside))


@dataclass(frozen=True, slots=True)
class Polygon(Prompt):
    """The area within a closed line of straight edges; what lies outside the image is cut off.

    Attributes:
        points: its corners, at least three; one or two are allowed for a curve.
        positive: False for an area beside the object.
        curve: True marks a smooth closed curve through the points in the place of the area (SEEM's training does).

    Raises:
        InputError: there are too few corners, or a coordinate is no number.
    """

    points: Path2D
    positive: bool = True
    curve: bool = False

    def __post_init__(self) -> None:
        check_sign("polygon", self.positive)
        _set(self, points=check_path("polygon", self.points, 1 if self.curve else 3))


@dataclass(frozen=True, slots=True)
class Text(Prompt):
    """A class name or a referring expression, in any script.

    The text tower reads the first 75 word pieces, so of a very long text only the beginning counts.

    Attributes:
        text: for example ``"the red star left of the ring"``.

    Raises:
        InputError: it is empty, or no text.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputError(f"text: a {type(self.text).__name__}; expected words")
        if not self.text.strip():
            raise InputError("text prompt is empty: say what to look for, for example 'the red star'")


@dataclass(frozen=True, slots=True, eq=False)
class Mask(Prompt):
    """A region of the image, given pixel by pixel.

    Attributes:
        mask: bool [H, W], of the size of the image; a numpy array will do.
        positive: True if it lies on the object, False if it lies beside it.

    Raises:
        InputError: it is not boolean, has not two axes, or marks no pixel.
    """

    mask: Bool[Tensor, "H W"]
    positive: bool = True

    def __post_init__(self) -> None:
        check_sign("mask", self.positive)
        mask = check_mask("mask", "mask", self.mask)
        if not bool(mask.any()):
            raise InputError("mask: no pixel is set")
        _set(self, mask=mask)

    @classmethod
    def read(cls, path: str | Path, *, positive: bool = True) -> Self:
        """The mask of all pixels of an image file that are not black.

        Raises:
            InputError: the file is no readable image, or all black.
        """
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("L"))
        except OSError as error:
            raise InputError(f"mask {path}: not a readable image: {error}") from error
        if not pixels.any():
            raise InputError(f"mask {path}: all pixels are black, so none is set")
        return cls(torch.from_numpy(pixels > 0), positive)


@dataclass(frozen=True, slots=True, eq=False)
class RegionOf(Prompt):
    """A region of another image that shows what is looked for.

    Attributes:
        image: the other image: a file, a uint8 tensor [3, H, W], or encoded alone by the same network (the `context`
            of a session), which saves encoding it again.
        prompts: what marks the region in it: points, masks, or any other kinds that mark pixels.

    Raises:
        InputError: no prompt marks a region positively, or the image is nothing of that kind.
    """

    image: ImageContext | Tensor | str | Path
    prompts: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        prompts = (self.prompts,) if isinstance(self.prompts, Prompt) else tuple(self.prompts)
        _set(self, prompts=prompts)
        for prompt in prompts:
            if not isinstance(prompt, Prompt):
                raise InputError(
                    f"referred-region: {str(prompt)[:40]!r} is no prompt; expected Point(40, 30) or the like"
                )
        if not any(getattr(prompt, "positive", True) for prompt in prompts):
            raise InputError("referred-region: no prompt marks a region in the other image; give one that is positive")
        if not isinstance(self.image, (ImageContext, Tensor, str, Path)):
            raise InputError(
                f"referred-region: image is a {type(self.image).__name__}; expected a file, a tensor or a context"
            )
        if isinstance(self.image, ImageContext) and len(self.image) != 1:
            raise InputError(
                f"referred-region: encode the other image alone; its context holds {len(self.image)} images"
            )


def _set(prompt: Prompt, **values: object) -> None:
    """Replaces fields of a prompt that is being made."""
    for name, value in values.items():
        object.__setattr__(prompt, name, value)
