"""Regions: sets of pixels that a prompt marks, and how they meet feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seemkit.types import Size


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of one image that belong to an object, and pixels that do not.

    Attributes:
        positive: int64 [n, 2], (row, column) of pixels on the object.
        negative: int64 [m, 2], pixels beside it.
    """

    positive: Tensor
    negative: Tensor

    @classmethod
    def of(cls, pixels: Int[Tensor, "n 2"], *, positive: bool) -> Self:
        """The region of one sign."""
        nothing = pixels.new_zeros((0, 2))
        return cls(pixels, nothing) if positive else cls(nothing, pixels)

    @classmethod
    def from_mask(cls, mask: Bool[Tensor, "H W"], *, positive: bool) -> Self:
        """The region of a mask's True pixels."""
        return cls.of(mask.nonzero(), positive=positive)

    @classmethod
    def union(cls, regions: Sequence[Region]) -> Self:
        """All pixels of the regions, each once, in raster order, positive and negative apart."""
        return cls(
            torch.cat([r.positive for r in regions]).unique(dim=0),
            torch.cat([r.negative for r in regions]).unique(dim=0),
        )


def square(row: int, column: int, side: int, size: Size) -> Int[Tensor, "n 2"]:
    """The pixels of a square around a pixel, clipped to the image."""
    rows = range(max(row - side // 2, 0), min(row - side // 2 + side, size.height))
    columns = range(max(column - side // 2, 0), min(column - side // 2 + side, size.width))
    return torch.tensor([(r, c) for r in rows for c in columns], dtype=torch.int64)


def thin(pixels: Int[Tensor, "n 2"], most: int) -> Int[Tensor, "m 2"]:
    """At most `most` of the pixels, evenly spaced in their order (the reference draws them at random)."""
    if len(pixels) <= most:
        return pixels
    return pixels[torch.linspace(0, len(pixels) - 1, most).round().long()]


def sample_pixels(
    features: Float[Tensor, "B C H W"], pixels: Float[Tensor, "B N 2"], size: Size
) -> Float[Tensor, "B N C"]:
    """Bilinear features at pixels of an image of `size` that the whole map covers.

    Pixel i of n lands at i / n of the way from the first to the last cell, as in the reference (`reference` quirk:
    up to one cell off at the far border).

    Args:
        features: the maps.
        pixels: (row, column) indices.
        size: height and width of the image, padding included.
    """
    scale = pixels.new_tensor([size.height, size.width])
    grid = (2 * pixels / scale - 1).flip(-1).to(features.dtype)
    sampled = F.grid_sample(features, grid[:, :, None], mode="bilinear", padding_mode="zeros", align_corners=True)
    return sampled[..., 0].transpose(1, 2)
