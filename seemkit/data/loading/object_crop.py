"""A crop around a random object, as interactive inference makes it when it zooms in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from seemkit.data.loading.mask_samples import nearest, sample_masks
from seemkit.data.loading.transforms import GRAY, LargeScaleJitter, Sample, drop_vanished, on_masks
from seemkit.errors import InputError
from seemkit.io.image import MIN_SIDE
from seemkit.types import Target

LEAST_PIXELS = 64
"""Objects with fewer pixels are not zoomed in on."""
LEAST_CROP = 48
"""Shortest side of a crop in pixels of the image; less would be enlarged to a blur."""


@dataclass(frozen=True, slots=True)
class ObjectCrop:
    """Cuts a random square around a random object, and resizes it to a fixed size.

    The side of the square is the longer side of the object's box times a random factor, uniform in its logarithm, and
    at most the longer side of the image. The square is moved at random, but contains the object, and shows as much of
    the image as it can. Parts outside the image are gray (128) and belong to no segment. Segments that vanish are
    dropped. An image without an object of at least 64 pixels is cropped by `LargeScaleJitter` with factors 1 to 2.

    Attributes:
        side: side of the result in pixels.
        least: smallest factor, at least 1.
        most: largest factor.
    """

    side: int = 256
    least: float = 1.15
    most: float = 6.0

    def __post_init__(self) -> None:
        if self.side < MIN_SIDE or not 1 <= self.least <= self.most:
            raise InputError(
                f"crop: side {self.side}, factors {self.least} to {self.most}; use a side of at least {MIN_SIDE} and "
                "factors of at least 1 in ascending order"
            )

    def __call__(self, image: Tensor, target: Target, generator: torch.Generator) -> Sample:
        """Return the image, uint8 [3, side, side], and the target with masks [n, side, side]."""
        rows = [
            row
            for row, (mask, crowd) in enumerate(zip(target.masks, target.crowd.tolist(), strict=True))
            if not crowd and int(mask.sum()) >= LEAST_PIXELS
        ]
        if not rows:
            return LargeScaleJitter(self.side, 1.0, 2.0)(image, target, generator)
        row = rows[int(torch.randint(len(rows), (), generator=generator))]
        top, left, length = self._square(target.masks[row], generator)

        places = nearest(length, self.side)
        target = on_masks(target, lambda masks: sample_masks(masks, top + places, left + places))
        return functional.resize(_cut(image, top, left, length), [self.side, self.side]), drop_vanished(target)

    def _square(self, mask: Tensor, generator: torch.Generator) -> tuple[int, int, int]:
        """Return top, left and side of the square around an object."""
        zoom, down, right = torch.rand(3, generator=generator).tolist()
        edges = [mask.any(dim=axis).nonzero()[:, 0] for axis in (1, 0)]
        starts, ends = ([int(edge[place]) for edge in edges] for place in (0, -1))
        longest = max(end - start + 1 for start, end in zip(starts, ends, strict=True))
        wanted = longest * math.exp(math.log(self.least) + zoom * math.log(self.most / self.least))
        length = max(round(min(wanted, max(mask.shape))), longest, LEAST_CROP)
        found = []
        for start, end, chance, size in zip(starts, ends, (down, right), mask.shape, strict=True):
            if length <= size:  # stay inside the image
                low, high = max(end + 1 - length, 0), min(start, size - length)
            else:
                low, high = size - length, 0
            found.append(round(low + chance * (high - low)))
        return found[0], found[1], length


def _cut(image: Tensor, top: int, left: int, length: int) -> Tensor:
    """Return a square of an image, gray where it extends beyond the image."""
    height, width = image.shape[-2:]
    rows, columns = slice(max(top, 0), min(top + length, height)), slice(max(left, 0), min(left + length, width))
    before, above = max(-left, 0), max(-top, 0)
    part = image[:, rows, columns]
    beyond, below = length - before - part.shape[-1], length - above - part.shape[-2]
    return functional.pad(part, [before, above, beyond, below], fill=GRAY)
