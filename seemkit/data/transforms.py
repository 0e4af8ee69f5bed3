"""Changes of an image together with its target.

A transform is called as ``transform(image, target, generator)`` with an image uint8 [3, H, W] and returns both anew;
all randomness comes from the generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from seemkit.errors import InputError
from seemkit.types import Size, Target

Sample = tuple[Tensor, Target]
Transform = Callable[[Tensor, Target, torch.Generator], Sample]

_SIDES = re.compile(r"\b(left|right)(?=(?:most|hand|side|wards?)?\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Compose:
    """Several transforms, one after the other.

    Attributes:
        transforms: in the order in which they run; none leaves the sample as it is.
    """

    transforms: Sequence[Transform]

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Image and target after all transforms."""
        for transform in self.transforms:
            image, target = transform(image, target, generator)
        return image, target


@dataclass(frozen=True, slots=True)
class HorizontalFlip:
    """Mirrors left and right, in pixels, masks and the words of the phrases.

    Every "left" and "right" in a phrase is swapped, also in "leftmost" or "right-hand"; a phrase that uses "right" in
    another sense ("right above") comes out wrong.

    Attributes:
        p: probability of a flip, 0..1.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise InputError(f"flip: is {self.p}; use a probability from 0 to 1")

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Image and target, mirrored with probability `p`."""
        if torch.rand((), generator=generator) >= self.p:
            return image, target
        phrases = tuple(replace(phrase, text=_swap_sides(phrase.text)) for phrase in target.phrases)
        return image.flip(-1), replace(target, masks=target.masks.flip(-1), phrases=phrases)


@dataclass(frozen=True, slots=True)
class ResizeImage:
    """Resizes the image alone; the target keeps the original size, as evaluation wants it.

    Attributes:
        short: length of the shorter side afterwards, in pixels.
        longest: bound on the longer side, which then decides the scale; None for no bound.
    """

    short: int
    longest: int | None = None

    def __post_init__(self) -> None:
        if self.short < 1:
            raise InputError(f"short_side: is {self.short}; use at least 1")
        if self.longest is not None and self.longest < self.short:
            raise InputError(f"long_side: is {self.longest}, less than short_side {self.short}; make it larger")

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Image uint8 [3, h, w], resized by antialiased bilinear interpolation, and the target unchanged."""
        size = shortest_edge(Size(*image.shape[-2:]), self.short, self.longest)
        resized = F.interpolate(image[None].float(), size=tuple(size), mode="bilinear", antialias=True)
        return resized[0].round().clamp(0, 255).to(torch.uint8), target


@dataclass(frozen=True, slots=True)
class ResizeShortestEdge(ResizeImage):
    """Resizes image and target together, as training wants it; segments that vanish are dropped."""

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Image uint8 [3, h, w] and the target with masks [n, h, w] of the nearest pixels."""
        image, target = ResizeImage.__call__(self, image, target, generator)
        return image, drop_vanished(replace(target, masks=_resize_masks(target.masks, Size(*image.shape[-2:]))))


def shortest_edge(size: Size, short: int, longest: int | None) -> Size:
    """The size scaled so that its shorter side is `short`, or its longer side `longest` where that is smaller."""
    scale = short / min(size)
    if longest is not None:
        scale = min(scale, longest / max(size))
    return Size(max(1, round(size.height * scale)), max(1, round(size.width * scale)))


def drop_vanished(target: Target) -> Target:
    """The target without segments that have no pixel and without their phrases; the other phrases are re-indexed."""
    keep = target.masks.flatten(1).any(1)
    if keep.all():
        return target
    moved = {old: new for new, old in enumerate(keep.nonzero()[:, 0].tolist())}
    phrases = tuple(replace(p, segment=moved[p.segment]) for p in target.phrases if p.segment in moved)
    return replace(
        target, masks=target.masks[keep], labels=target.labels[keep], crowd=target.crowd[keep], phrases=phrases
    )


def _resize_masks(masks: Tensor, size: Size) -> Tensor:
    """Masks [N, H, W] sampled at the pixel whose square holds each new pixel's centre."""
    rows, columns = (
        ((2 * torch.arange(new) + 1) * old) // (2 * new) for new, old in zip(size, masks.shape[-2:], strict=True)
    )
    return masks[:, rows][:, :, columns]


def _swap_sides(text: str) -> str:
    """The text with left and right exchanged; upper and lower case stay where they are."""
    return _SIDES.sub(lambda match: _like(match[0], "right" if match[0].lower() == "left" else "left"), text)


def _like(model: str, word: str) -> str:
    """The word in the case of another: LEFT gives RIGHT, Left gives Right."""
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
