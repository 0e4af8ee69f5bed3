"""Transforms of an image together with its target.

A transform is called as ``transform(image, target, generator)`` with an image uint8 [3, H, W] and returns the changed
image and target. All randomness comes from the generator.
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

from seemkit.data.loading.mask_samples import nearest, sample_masks
from seemkit.errors import InputError
from seemkit.io.image import MIN_SIDE
from seemkit.types import Size, Target

Sample = tuple[Tensor, Target]
Transform = Callable[[Tensor, Target, torch.Generator], Sample]

GRAY = 128
"""Pixel value with which the reference pads images."""

_SIDES = re.compile(r"\b(left|right)(?=(?:most|hand|side|wards?)?\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Compose:
    """Several transforms, applied in order.

    Attributes:
        transforms: the transforms in order; an empty sequence leaves the sample unchanged.
    """

    transforms: Sequence[Transform]

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Return image and target after all transforms."""
        for transform in self.transforms:
            image, target = transform(image, target, generator)
        return image, target


@dataclass(frozen=True, slots=True)
class HorizontalFlip:
    """Swaps left and right in image, masks and phrases.

    Every "left" and "right" in a phrase is swapped, also in "leftmost" or "right-hand". A phrase that uses "right" in
    another sense ("right above") becomes wrong.

    Attributes:
        p: probability of a flip, 0..1.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise InputError(f"flip: is {self.p}; use a probability from 0 to 1")

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Return image and target, mirrored with probability `p`."""
        if torch.rand((), generator=generator) >= self.p:
            return image, target
        phrases = tuple(replace(phrase, text=_swap_sides(phrase.text)) for phrase in target.phrases)
        flipped = on_masks(target, lambda masks: masks.flip(-1))
        return image.flip(-1), replace(flipped, phrases=phrases)


@dataclass(frozen=True, slots=True)
class ResizeImage:
    """Resizes only the image; the target keeps the original size, as evaluation needs it.

    Attributes:
        short: length of the shorter side after resizing, in pixels.
        longest: limit of the longer side in pixels, which takes precedence over `short`; None means no limit.
    """

    short: int
    longest: int | None = None

    def __post_init__(self) -> None:
        if self.short < 1:
            raise InputError(f"short_side: is {self.short}; use at least 1")
        if self.longest is not None and self.longest < self.short:
            raise InputError(f"long_side: is {self.longest}, less than short_side {self.short}; make it larger")

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Return the image, uint8 [3, h, w], resized with antialiased bilinear sampling, and the unchanged target."""
        size = shortest_edge(Size(*image.shape[-2:]), self.short, self.longest)
        resized = F.interpolate(image[None].float(), size=tuple(size), mode="bilinear", antialias=True)
        return resized[0].round().clamp(0, 255).to(torch.uint8), target


@dataclass(frozen=True, slots=True)
class ResizeShortestEdge(ResizeImage):
    """Resizes image and target together, as training needs it; segments that vanish are dropped."""

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Return the image, uint8 [3, h, w], and the target with nearest-neighbor masks [n, h, w]."""
        image, target = ResizeImage.__call__(self, image, target, generator)
        size = Size(*image.shape[-2:])
        return image, drop_vanished(on_masks(target, lambda masks: _resize_masks(masks, size)))


@dataclass(frozen=True, slots=True)
class LargeScaleJitter:
    """Resizes by a random factor, then crops or pads to a square of fixed size, as the reference does in training.

    The image is scaled to fit into the square times the factor. Where it is larger than the square, a random part is
    kept. Where it is smaller, it is placed at the top left; the rest is gray (128) and belongs to no segment. Segments
    that vanish are dropped. Source: Ghiasi et al., Simple Copy-Paste (2021), section 3; values of the reference.

    Attributes:
        side: side of the square in pixels.
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
        """Return the image, uint8 [3, side, side], and the target with masks [n, side, side]."""
        factor, down, right = torch.rand(3, generator=generator).tolist()
        scale = self.side * (self.least + factor * (self.most - self.least)) / max(image.shape[-2:])
        size = [max(1, round(length * scale)) for length in image.shape[-2:]]
        room = [max(0, length - self.side) for length in size]
        top, left = round(down * room[0]), round(right * room[1])

        resized = functional.resize(image, size)
        part = functional.crop(resized, top, left, min(size[0], self.side), min(size[1], self.side))
        changed = functional.pad(part, [0, 0, self.side - part.shape[-1], self.side - part.shape[-2]], fill=GRAY)
        rows, columns = (
            F.pad(nearest(old, new)[start : start + self.side], (0, max(0, self.side - new)), value=old)
            for old, new, start in zip(image.shape[-2:], size, (top, left), strict=True)
        )
        return changed, drop_vanished(on_masks(target, lambda masks: sample_masks(masks, rows, columns)))


@dataclass(frozen=True, slots=True)
class Torchvision:
    """Any transform of ``torchvision.transforms.v2``, such as a color change.

    To mirror the image, use `HorizontalFlip`: mirroring by torchvision does not swap left and right in phrases.

    Attributes:
        transform: the transform; it gets image and masks as ``tv_tensors``.
    """

    transform: v2.Transform

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Return image and target after the transform, whose random draws depend on `generator`."""
        seed = int(torch.randint(2**31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found: list[Tensor] = []

            def together(masks: Tensor) -> Tensor:
                changed, masks = self.transform(tv_tensors.Image(image), tv_tensors.Mask(masks))
                found.append(changed.as_subclass(Tensor))
                return masks.as_subclass(Tensor)

            target = on_masks(target, together)
        return found[0], drop_vanished(target)


def shortest_edge(size: Size, short: int, longest: int | None) -> Size:
    """Return the size scaled to a shorter side of `short`, or to a longer side of `longest` if that is smaller."""
    scale = short / min(size)
    if longest is not None:
        scale = min(scale, longest / max(size))
    return Size(max(1, round(size.height * scale)), max(1, round(size.width * scale)))


def on_masks(target: Target, change: Callable[[Tensor], Tensor]) -> Target:
    """Return the target with its masks and its ignored pixels changed, in one call of `change`.

    Args:
        target: the target.
        change: function of masks bool [N, H, W] that changes each of them in the same way.
    """
    if target.ignored is None:
        return replace(target, masks=change(target.masks))
    changed = change(torch.cat((target.masks, target.ignored[None])))
    return replace(target, masks=changed[:-1], ignored=changed[-1])


def drop_vanished(target: Target) -> Target:
    """Return the target without empty segments and their phrases; the other phrases are re-indexed."""
    keep = torch.from_numpy(target.masks.numpy().any(axis=(1, 2)))  # stops at the first pixel, unlike torch
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
        attributes=tuple(words for words, kept in zip(target.attributes, keep.tolist(), strict=False) if kept),
    )


def _resize_masks(masks: Tensor, size: Size) -> Tensor:
    """Return masks [N, H, W] at `size`; each new pixel takes the value of the old pixel that contains its center."""
    rows, columns = (
        ((2 * torch.arange(new) + 1) * old) // (2 * new) for new, old in zip(size, masks.shape[-2:], strict=True)
    )
    return sample_masks(masks, rows, columns)


def _swap_sides(text: str) -> str:
    """Return the text with left and right swapped; each new word keeps the case of the old one."""
    return _SIDES.sub(lambda match: _like(match[0], "right" if match[0].lower() == "left" else "left"), text)


def _like(model: str, word: str) -> str:
    """Return `word` in the case of `model`: for "right", LEFT gives RIGHT and Left gives Right."""
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
