"""A rectangle of an image that a view shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from seemkit.types import Size


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels of an image: its first row and column, and its height and width."""

    top: int
    left: int
    height: int
    width: int

    @property
    def size(self) -> Size:
        """Height and width."""
        return Size(self.height, self.width)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def contains(self, other: Self) -> bool:
        """Return whether all pixels of another window are in this one."""
        rows = self.top <= other.top and other.top + other.height <= self.top + self.height
        return rows and self.left <= other.left and other.left + other.width <= self.left + self.width
