"""The prompt values that seemkit itself makes: clicks and masks of simulated users and trackers, and texts.

Every other value class is in the file of its kind, in the package of its plugin. Coordinates are (x, y) in pixels of
the original image. The constructor raises `InputError` for a value that makes no sense in any image; the kind's encoder
checks whether it makes sense in one image.
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
from seemkit.prompts.checks import check_mask, check_numbers, check_sign


@dataclass(frozen=True, slots=True)
class Prompt:
    """Base of all prompt values: frozen dataclasses that check their fields in ``__post_init__``."""

    @property
    def positive(self) -> bool:
        """Whether the prompt describes the object; a kind with a sign has a field of this name instead."""
        return True

    def _normalize(self, **values: object) -> None:
        """Replaces fields while the value is being made."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


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
        self._normalize(**check_numbers("point", x=self.x, y=self.y))
        check_sign("point", self.positive)


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
        self._normalize(mask=mask)

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
