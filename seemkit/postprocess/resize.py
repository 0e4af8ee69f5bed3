"""Resizing the network's masks to the pixels of the original image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.types import Size

Enlarge = Callable[[Float[Tensor, "N h w"]], Float[Tensor, "N H W"]]
"""A function that resizes mask logits to the size of the result, each mask independently."""

BLOCK = 1 << 22
"""Number of mask logits in a block of rows, 16 MiB."""


def as_they_are(mask_logits: Float[Tensor, "N H W"]) -> Float[Tensor, "N H W"]:
    """Return the same masks, for masks that already have the right size."""
    return mask_logits


def restore(
    mask_logits: Float[Tensor, "N h w"],
    padded: Size,
    size: Size,
    original: Size,
    mode: Literal["bicubic", "bilinear"] = "bicubic",
) -> Float[Tensor, "N H W"]:
    """Return mask logits at the original size.

    The masks are enlarged to the network's input, cropped to the image in it, and resized to the original.

    Args:
        mask_logits: mask logits at the network's resolution; half precision is returned as float32.
        padded: size of the network's input, including the padding on the right and at the bottom.
        size: size of the image in that input, without the padding.
        original: size of the image before it was resized for the network.
        mode: interpolation of the last step. "bicubic" uses antialiasing and is the protocol of panoptic, instance,
            semantic and referring evaluation; "bilinear" uses none and is the protocol of interactive evaluation.
    """
    if mask_logits.dtype in (torch.float16, torch.bfloat16):
        mask_logits = mask_logits.float()
    cut = _resize(mask_logits, padded, "bilinear")[:, : size.height, : size.width]
    return _resize(cut, original, mode)


def restore_rows(
    mask_logits: Float[Tensor, "N h w"], padded: Size, size: Size, original: Size
) -> Iterator[Float[Tensor, "N rows W"]]:
    """Yield blocks of rows of `restore`'s bicubic result, from top to bottom; equal up to rounding.

    All masks of a photograph at its own size would take gigabytes.

    Args:
        mask_logits: mask logits whose resolution is `padded`, divided by a power of two; half precision is returned as
            float32.
        padded: as in `restore`.
        size: as in `restore`.
        original: as in `restore`.
    """
    if mask_logits.dtype in (torch.float16, torch.bfloat16):
        mask_logits = mask_logits.float()
    weights = _resize(torch.eye(size.height).to(mask_logits)[None], Size(original.height, size.height), "bicubic")[0]
    reach = [(int(used[0]), int(used[-1]) + 1) for used in (row.nonzero()[:, 0] for row in weights.cpu())]
    rows = max(1, BLOCK // max(1, len(mask_logits) * original.width))
    for top in range(0, original.height, rows):
        mine = reach[top : top + rows]
        first, last = min(start for start, _ in mine), max(end for _, end in mine)
        block = _enlarged_rows(mask_logits, padded, first, last)[:, :, : size.width]
        block = _resize(block, Size(last - first, original.width), "bicubic")
        yield block if original.height == size.height else weights[top : top + rows, first:last] @ block


def _enlarged_rows(masks: Float[Tensor, "N h w"], padded: Size, first: int, last: int) -> Float[Tensor, "N rows W"]:
    """Return rows of the masks at the size of the network's input; a row depends on the two nearest of the masks."""
    ratio = padded.height // masks.shape[1]
    above, below = max(first // ratio - 1, 0), min(-(-last // ratio) + 1, masks.shape[1])
    enlarged = _resize(masks[:, above:below], Size((below - above) * ratio, padded.width), "bilinear")
    return enlarged[:, first - above * ratio : last - above * ratio]


def _resize(masks: Float[Tensor, "N h w"], size: Size, mode: str) -> Float[Tensor, "N H W"]:
    """Return the masks resized to `size`, or the same tensor if they already have this size."""
    if tuple(masks.shape[-2:]) == tuple(size):
        return masks
    if not len(masks):
        return masks.new_zeros((0, *size))
    return F.interpolate(masks[None], tuple(size), mode=mode, align_corners=False, antialias=mode == "bicubic")[0]
