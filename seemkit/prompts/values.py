"""The prompt values that seemkit itself makes: points and masks of simulated users and trackers, and texts.

Each other value class is in the module of its kind. Coordinates are (x, y) in pixels of the original image. The
constructor raises `InputError` for a value that is not valid for any image; the kind's encoder checks the value against
one image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.image import open_image, turn_upright
from seemkit.prompts.checks import check_mask, check_numbers, check_sign

JPEG_WHITE, OPAQUE = 128, 128
"""Lowest gray level of a marked pixel in a JPEG, and lowest alpha of a pixel that is not transparent."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Base of all prompt values, which are frozen dataclasses that check their fields in ``__post_init__``."""

    @property
    def positive(self) -> bool:
        """Whether the prompt describes the object; kinds with a sign have a field with this name instead."""
        return True

    def _normalize(self, **values: object) -> None:
        """Replace fields; for use in ``__post_init__`` only."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Point(Prompt):
    """A click on the object or outside it.

    Attributes:
        x: column, 0..width; pixel centers are at +0.5.
        y: row, 0..height.
        positive: True on the object, False outside it.

    Raises:
        InputError: a coordinate is not a finite number, or the sign is not a bool.
    """

    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        self._normalize(**check_numbers("point", x=self.x, y=self.y))
        check_sign("point", self.positive)


@dataclass(frozen=True, slots=True)
class Text(Prompt):
    """A class name or a referring expression, in any script.

    The text tower reads the first 75 word pieces only.

    Attributes:
        text: for example ``"the red star left of the ring"``.

    Raises:
        InputError: the text is empty, or is not a string.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputError(f"text: text is a {type(self.text).__name__}; expected a string")
        if any("\ud800" <= letter <= "\udfff" for letter in self.text):
            raise InputError("text prompt has half a character (a lone surrogate); write the text again")
        if not self.text.strip():
            raise InputError("text prompt is empty: say what to look for, for example 'the red star'")


@dataclass(frozen=True, slots=True, eq=False)
class Mask(Prompt):
    """A region of the image, given as a mask.

    Attributes:
        mask: bool [H, W], the size of the image; a NumPy array is accepted.
        positive: True on the object, False outside it.

    Raises:
        InputError: the mask is not boolean, does not have two axes, or has no True pixel; or the sign is not a bool.
    """

    mask: Bool[Tensor, "H W"]
    positive: bool = True

    def __post_init__(self) -> None:
        check_sign("mask", self.positive)
        mask = check_mask("mask", "mask", self.mask)
        if not bool(mask.any()):
            raise InputError("mask: no pixel is set")
        self._normalize(mask=mask)

    @classmethod
    def read(cls, path: str | Path, *, positive: bool = True) -> Self:
        """Return the mask of all pixels of an image file that are neither black nor transparent.

        The EXIF orientation is applied, as to photographs. In a JPEG, whose black is not exactly black, the pixels in
        the brighter half of the range count.

        Raises:
            InputError: the file is not a readable image, or no pixel counts.
        """
        image = open_image(str(path))
        least = JPEG_WHITE if image.format == "JPEG" else 1
        image = turn_upright(image)
        pixels = np.asarray(image.convert("L")) >= least
        if image.has_transparency_data:
            pixels = pixels & (np.asarray(image.convert("RGBA"))[..., 3] >= OPAQUE)
        if not pixels.any():
            raise InputError(f"mask {path}: all pixels are black; make the pixels of the region white")
        return cls(torch.from_numpy(pixels), positive)
