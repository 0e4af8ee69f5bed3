"""Resizing the network's masks to the pixels of the original image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.types import Size

Enlarge = Callable[[Float[Tensor, "N h w"]], Float[Tensor, "N H W"]]
"""A function that resizes mask logits to the size of the result, each mask independently."""


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


def _resize(masks: Float[Tensor, "N h w"], size: Size, mode: str) -> Float[Tensor, "N H W"]:
    """Return the masks resized to `size`, or the same tensor if they already have this size."""
    if tuple(masks.shape[-2:]) == tuple(size):
        return masks
    if not len(masks):
        return masks.new_zeros((0, *size))
    return F.interpolate(masks[None], tuple(size), mode=mode, align_corners=False, antialias=mode == "bicubic")[0]
