"""What a user can say about an object. Coordinates are (x, y) in pixels of the original image."""

from __future__ import annotations

from dataclasses import dataclass


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
