"""Changes of an image together with its target.

A transform is called as ``transform(image, target, generator)`` with an image uint8 [3, H, W] and returns both anew;
all randomness comes from the generator. Transforms that change the masks drop `Target.ignored`, which training does not
read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from seemkit.errors import InputError
from seemkit.io.image import MIN_SIDE
from seemkit.types import Size, Target

Sample = tuple[Tensor, Target]
Transform = Callable[[Tensor, Target, torch.Generator], Sample]

GRAY = 128
"""What the reference fills up images with."""

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
        return image.flip(-1), replace(target, masks=target.masks.flip(-1), phrases=phrases, ignored=None)


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
        masks = _resize_masks(target.masks, Size(*image.shape[-2:]))
        return image, drop_vanished(replace(target, masks=masks, ignored=None))


@dataclass(frozen=True, slots=True)
class LargeScaleJitter:
    """Resizes by a random factor and cuts a square of fixed size out of it, as the reference trains.

    The image is scaled to fit into the square times the factor. Where it is larger than the square, a random part is
    taken; where it is smaller, it lies in the top left and the rest is gray (128), in no segment. Segments that vanish
    are dropped. Source: Ghiasi et al., Simple Copy-Paste (2021), section 3; values of the reference.

    Attributes:
        side: of the square in pixels.
        least: the smallest factor.
        most: the largest factor.
    """

    side: int = 1024
    least: float = 0.1
    most: float = 2.0

    def __post_init__(self) -> None:
        if self.side < MIN_SIDE or not 0 < self.least <= self.most:
            raise InputError(
                f"jitter: side {self.side}, factors {self.least} to {self.most}; use a side of at least {MIN_SIDE} and "
                "factors above 0 in ascending order"
            )

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Image uint8 [3, side, side] and the target with masks [n, side, side]."""
        factor, down, right = torch.rand(3, generator=generator).tolist()
        scale = self.side * (self.least + factor * (self.most - self.least)) / max(image.shape[-2:])
        size = [max(1, round(length * scale)) for length in image.shape[-2:]]
        room = [max(0, length - self.side) for length in size]
        top, left = round(down * room[0]), round(right * room[1])

        def change(given: Tensor, fill: int) -> Tensor:
            """Resized as its kind asks for (pixels smoothly, masks to the nearest), cut and filled up."""
            part = functional.crop(
                functional.resize(given, size), top, left, min(size[0], self.side), min(size[1], self.side)
            )
            missing = [0, 0, self.side - part.shape[-1], self.side - part.shape[-2]]
            return functional.pad(part, missing, fill=fill).as_subclass(Tensor)

        masks = change(tv_tensors.Mask(target.masks), 0)
        return change(tv_tensors.Image(image), GRAY), drop_vanished(replace(target, masks=masks, ignored=None))


@dataclass(frozen=True, slots=True)
class Torchvision:
    """Any transform of ``torchvision.transforms.v2``, such as a change of colors.

    Those that mirror the image leave the words left and right in phrases as they are; `HorizontalFlip` does not.

    Attributes:
        transform: gets image and masks as its own tensor types.
    """

    transform: v2.Transform

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Image and target after the transform, whose draws come from `generator`."""
        seed = int(torch.randint(2**31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            changed, masks = self.transform(tv_tensors.Image(image), tv_tensors.Mask(target.masks))
        masks = masks.as_subclass(Tensor)
        return changed.as_subclass(Tensor), drop_vanished(replace(target, masks=masks, ignored=None))


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
        target,
        masks=target.masks[keep],
        labels=target.labels[keep],
        crowd=target.crowd[keep],
        phrases=phrases,
        areas=None if target.areas is None else target.areas[keep],
    )


def _resize_masks(masks: Tensor, size: Size) -> Tensor:
    """Masks [N, H, W] sampled at the pixel whose square holds each new pixel's center."""
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
