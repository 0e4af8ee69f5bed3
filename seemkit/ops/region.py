"""Regions: sets of pixels that a prompt marks, and how they meet feature maps.

Pixels are small numpy arrays: a round of clicks handles many of a few rows each, on which numpy is the quickest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from seemkit.types import Size

Pixels = NDArray[np.int64]
"""(row, column) of n pixels, [n, 2]."""

_NONE: Pixels = np.zeros((0, 2), dtype=np.int64)
_MOST_COLUMNS = 1 << 20


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of one image that belong to an object, and pixels that do not.

    Attributes:
        positive: int64 [n, 2], (row, column) of pixels on the object.
        negative: int64 [m, 2], pixels beside it.
    """

    positive: Pixels
    negative: Pixels

    @classmethod
    def of(cls, pixels: Pixels, *, positive: bool) -> Self:
        """The region of one sign."""
        return cls(pixels, _NONE) if positive else cls(_NONE, pixels)

    @classmethod
    def from_mask(cls, mask: Bool[Tensor, "H W"], *, positive: bool) -> Self:
        """The region of a mask's True pixels."""
        return cls.of(mask.nonzero().cpu().numpy(), positive=positive)

    @classmethod
    def union(cls, regions: Sequence[Region]) -> Self:
        """All pixels of the regions, each once, in raster order, positive and negative apart."""
        return cls(_unite([r.positive for r in regions]), _unite([r.negative for r in regions]))


def _unite(parts: Sequence[Pixels]) -> Pixels:
    rows = np.concatenate(parts)
    code = np.unique(rows[:, 0] * _MOST_COLUMNS + rows[:, 1])
    return np.stack((code // _MOST_COLUMNS, code % _MOST_COLUMNS), axis=1)


def square(row: int, column: int, side: int, size: Size) -> Pixels:
    """The pixels of a square around a pixel, clipped to the image."""
    rows = range(max(row - side // 2, 0), min(row - side // 2 + side, size.height))
    columns = range(max(column - side // 2, 0), min(column - side // 2 + side, size.width))
    return np.array([(r, c) for r in rows for c in columns], dtype=np.int64).reshape(-1, 2)


def thin(pixels: Pixels, most: int) -> Pixels:
    """At most `most` of the pixels, evenly spaced in their order (the reference draws them at random)."""
    if len(pixels) <= most:
        return pixels
    return pixels[np.linspace(0, len(pixels) - 1, most).round().astype(np.int64)]


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
    scale = features.new_tensor([size.height, size.width])
    grid = (2 * pixels.to(features.dtype) / scale - 1).flip(-1)
    sampled = F.grid_sample(features, grid[:, :, None], mode="bilinear", padding_mode="zeros", align_corners=True)
    return sampled[..., 0].transpose(1, 2)
