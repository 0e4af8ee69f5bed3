"""The vocabulary of scenes: class names, colors, and the color-shape pairs held out of training."""

from __future__ import annotations

from typing import Final, NamedTuple

THINGS: Final = ("star", "ring", "cross", "triangle", "arrow", "heart", "gear", "house", "mug", "disc")
STUFF: Final = ("sky", "grass", "water", "brick", "sand", "wood", "road", "leaves")
CLASSES: Final = THINGS + STUFF
CATEGORY_IDS: Final = {name: number for number, name in enumerate(CLASSES, start=1)}

COLORS: Final[dict[str, tuple[float, float, float]]] = {
    "red": (205, 40, 40),
    "green": (45, 160, 60),
    "blue": (45, 80, 205),
    "yellow": (232, 212, 50),
    "purple": (140, 50, 165),
    "orange": (238, 135, 35),
    "white": (238, 238, 238),
    "black": (35, 35, 38),
}


class Pair(NamedTuple):
    """A color and a shape, for example ``("red", "star")``."""

    color: str
    shape: str


_NAMES: Final = tuple(COLORS)

HELD_OUT: Final = tuple(Pair(_NAMES[(3 * i + 1) % len(_NAMES)], shape) for i, shape in enumerate(THINGS))
"""One pair per shape, each color at least once; no training scene draws or names such a pair."""

SEEN: Final = tuple(pair for color in COLORS for shape in THINGS if (pair := Pair(color, shape)) not in HELD_OUT)
