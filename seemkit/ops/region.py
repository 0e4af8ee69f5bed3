"""Regions, the pixels that a prompt marks, and sampling of feature maps at pixels.

Pixels are NumPy arrays, because a round of clicks handles many small arrays, for which NumPy is faster than torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from seemkit.ops.transfer import send
from seemkit.types import Size

Pixels = NDArray[np.int64]
"""Indices (row, column) of n pixels, int64 [n, 2]."""

_NONE: Pixels = np.zeros((0, 2), dtype=np.int64)
_MOST_COLUMNS = 1 << 20


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of one image that belong to an object, and pixels that do not.

    Attributes:
        positive: int64 [n, 2], (row, column) of pixels on the object.
        negative: int64 [m, 2], (row, column) of pixels outside the object.
    """

    positive: Pixels
    negative: Pixels

    @classmethod
    def of(cls, pixels: Pixels, *, positive: bool) -> Self:
        """Return the region with these pixels, all of one sign."""
        return cls(pixels, _NONE) if positive else cls(_NONE, pixels)

    @classmethod
    def from_mask(cls, mask: Bool[Tensor, "H W"], *, positive: bool) -> Self:
        """Return the region of a mask's True pixels."""
        return cls.of(mask.nonzero().cpu().numpy(), positive=positive)

    @classmethod
    def union(cls, regions: Sequence[Region]) -> Self:
        """Return the union of the positive and the union of the negative pixels, each in raster order."""
        return cls(_unite([r.positive for r in regions]), _unite([r.negative for r in regions]))


def as_mask(pixels: Pixels, size: Size) -> Bool[Tensor, "H W"]:
    """Return the mask that is True at the pixels."""
    mask = torch.zeros(tuple(size), dtype=torch.bool)
    mask[tuple(torch.from_numpy(pixels).T)] = True
    return mask


def _unite(parts: Sequence[Pixels]) -> Pixels:
    rows = np.concatenate(parts)
    code = np.unique(rows[:, 0] * _MOST_COLUMNS + rows[:, 1])
    return np.stack((code // _MOST_COLUMNS, code % _MOST_COLUMNS), axis=1)


def square(row: int, column: int, side: int, size: Size) -> Pixels:
    """Return the pixels of a square around a pixel, clipped to the image."""
    rows = range(max(row - side // 2, 0), min(row - side // 2 + side, size.height))
    columns = range(max(column - side // 2, 0), min(column - side // 2 + side, size.width))
    return np.array([(r, c) for r in rows for c in columns], dtype=np.int64).reshape(-1, 2)


def thin(pixels: Pixels, most: int) -> Pixels:
    """Return at most `most` of the pixels, evenly spaced in their order (the reference draws them at random)."""
    if len(pixels) <= most:
        return pixels
    return pixels[np.linspace(0, len(pixels) - 1, most).round().astype(np.int64)]


def sample_pixels(
    features: Float[Tensor, "B C H W"], pixels: Float[Tensor, "B N 2"], size: Size
) -> Float[Tensor, "B N C"]:
    """Return features at pixels of the images, interpolated bilinearly.

    Pixel i of n is at i / n of the distance from the first to the last cell, as in the reference. This is up to one
    cell off at the far border.

    Args:
        features: feature maps, each covering the whole padded image.
        pixels: (row, column) indices.
        size: height and width of the padded image.
    """
    exact = torch.promote_types(features.dtype, torch.float32)
    height, width = features.shape[2:]
    rows = features.flatten(2).transpose(1, 2)
    last = send(torch.tensor([height - 1, width - 1]), features.device)
    place = pixels.to(exact) / send(torch.tensor(tuple(size)), features.device) * last
    steps = send(torch.tensor(((0, 0), (0, 1), (1, 0), (1, 1))), place.device)
    cells = place.floor()[:, None] + steps[:, None]
    weights = (1 - (place[:, None] - cells).abs()).prod(dim=3, keepdim=True)  # 0 for a cell after the last one
    row, column = cells.long().minimum(last).unbind(3)
    index = (row * width + column).flatten(1)[..., None].expand(-1, -1, rows.shape[2])
    # one gather for all four corners, because the backward pass of each fills a tensor as large as the features
    corners = rows.gather(1, index).unflatten(1, cells.shape[1:3])
    return (weights * corners).sum(dim=1).to(features.dtype)
