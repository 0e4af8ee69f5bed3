"""Painting of things: outline, shaded and textured surface, cast shadow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from seemkit.data.scenes.shapes import DETAILS, HOLES, OUTLINES, Stencil
from seemkit.data.scenes.textures import Field
from seemkit.data.scenes.things import Design
from seemkit.data.scenes.vocabulary import COLORS

_REACH: Final = 1.3
"""Half the side of a thing's box, in radii. The corners of a rotated and stretched mug reach farthest."""
_SHADOW_DEPTH: Final = 0.45
_DETAIL_OPACITY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Light:
    """Offset and blur of the cast shadows of a scene, in pixels."""

    dx: int
    dy: int
    blur: int

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int) -> Self:
        """Return a random light from above, from the left or the right, for a scene of `size` pixels."""
        unit = size / 128
        return cls(round(rng.uniform(-5, 5) * unit), round(rng.uniform(2, 6) * unit), max(1, round(2 * unit)))


class Window(NamedTuple):
    """A box in a scene, clipped at the scene's edges: `scene[rows, columns]`."""

    rows: slice
    columns: slice

    @classmethod
    def cut(cls, picture: Image.Image, left: int, top: int, size: int) -> tuple[Self, Image.Image]:
        """Return the window covered by an image whose corner is at (left, top), and the part of the image inside it."""
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + picture.width, size), min(top + picture.height, size)
        window = cls(slice(y0, max(y0, y1)), slice(x0, max(x0, x1)))
        return window, picture.crop((x0 - left, y0 - top, max(x0, x1) - left, max(y0, y1) - top))


@dataclass(frozen=True, slots=True)
class Sprite:
    """A rasterized thing and its shadow; the arrays have the size of their window and values 0..1.

    Attributes:
        window: box of the thing.
        alpha: coverage by the thing.
        core: the same coverage, falling to 0 toward the rim over two pixels.
        details: coverage by the inner parts that are typical of the shape.
        shadow_window: box of the shadow.
        shadow: strength of the shadow.
        full: number of pixels of the whole thing, including those outside the scene.
    """

    window: Window
    alpha: Field
    core: Field
    details: Field
    shadow_window: Window
    shadow: Field
    full: int

    @classmethod
    def rasterize(cls, design: Design, light: Light, size: int) -> Self:
        """Return the sprite of `design` in a scene of `size` pixels."""
        half = int(_REACH * design.radius) + 1
        left, top, side = int(design.x) - half, int(design.y) - half, 2 * half + 1
        stencil = Stencil(side, (design.x - left, design.y - top), design.radius, design.angle, design.aspect)
        alpha = stencil.coverage(OUTLINES[design.shape], HOLES.get(design.shape, ()))
        details = stencil.coverage(DETAILS[design.shape])
        shadow = ImageOps.expand(alpha, light.blur + 1).filter(ImageFilter.BoxBlur(light.blur))
        x, y = left + light.dx - light.blur - 1, top + light.dy - light.blur - 1
        window, visible = Window.cut(alpha, left, top, size)
        core = Window.cut(alpha.filter(ImageFilter.BoxBlur(1)), left, top, size)[1]
        shadow_window, shade = Window.cut(shadow, x, y, size)
        return cls(
            window,
            _unit_values(visible),
            np.maximum(2 * _unit_values(core) - 1, 0),
            _unit_values(Window.cut(details, left, top, size)[1]),
            shadow_window,
            _unit_values(shade),
            full=sum(alpha.histogram()[128:]),
        )

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels of the thing, bool [h, w]: those that it covers by more than half."""
        return self.alpha > 0.5


def _unit_values(picture: Image.Image) -> Field:
    return np.asarray(picture, np.float32) / 255


def paint(rng: np.random.Generator, image: Field, design: Design, sprite: Sprite) -> None:
    """Paint the thing and its shadow into `image`, float32 [3, S, S], about 0..255, in place."""
    image[:, *sprite.shadow_window] *= 1 - _SHADOW_DEPTH * sprite.shadow
    rows, columns = sprite.window
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) - design.x)[None, :] / design.radius
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) - design.y)[:, None] / design.radius
    surface = _pigment(rng, design, sprite, x, y) * _relief(rng, design.radius, sprite, x, y)
    if rng.random() < 0.5:
        surface += 70 * np.exp(-(((y + 0.3) / 0.3) ** 2)) * np.exp(-(((x + 0.3) / 0.3) ** 2))
    region = image[:, *sprite.window]
    region += (surface - region) * sprite.alpha


def _pigment(rng: np.random.Generator, design: Design, sprite: Sprite, x: Field, y: Field) -> Field:
    """Return the unlit colors [3, h, w]: main color, second color on one side, dark details (light on dark colors)."""
    main = np.asarray(design.rgb, np.float32)[:, None, None]
    detail = main * 0.3 if main.mean() > 95 else main * 0.4 + 150
    base: Field = main
    if design.second is not None:
        angle = rng.uniform(0, 2 * math.pi)
        side = x * math.cos(angle) + y * math.sin(angle) > 0.25
        base = np.where(side, np.asarray(COLORS[design.second], np.float32)[:, None, None], main)
    return base + (detail - base) * (_DETAIL_OPACITY * sprite.details)


def _relief(rng: np.random.Generator, radius: float, sprite: Sprite, x: Field, y: Field) -> Field:
    """Return brightness factors [h, w] around 1: shading, sometimes a surface pattern, and mostly a dark rim."""
    across, down = rng.normal(0, 0.8, 2).tolist()
    factors = 1 + 0.13 * np.clip(x * across + y * down, -2, 2)
    pattern, angle = rng.random(), rng.uniform(0, math.pi)
    if pattern < 0.25:
        factors *= 1 + 0.12 * np.sign(np.sin((x * math.cos(angle) + y * math.sin(angle)) * (radius / 1.6)))
    elif pattern < 0.45:
        factors *= 0.85 + 0.3 * rng.random(factors.shape, dtype=np.float32)
    if rng.random() < 0.6:
        factors *= 0.72 + 0.28 * sprite.core
    return factors
