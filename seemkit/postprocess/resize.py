"""Masks of the network brought back to the pixels of the original image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.types import Size

Enlarge = Callable[[Float[Tensor, "N h w"]], Float[Tensor, "N H W"]]
"""Brings mask logits to the size at which they are judged, each mask on its own."""


def as_they_are(mask_logits: Float[Tensor, "N H W"]) -> Float[Tensor, "N H W"]:
    """The same masks: they have the right size already."""
    return mask_logits


def restore(
    mask_logits: Float[Tensor, "N h w"],
    padded: Size,
    size: Size,
    original: Size,
    mode: Literal["bicubic", "bilinear"] = "bicubic",
) -> Float[Tensor, "N H W"]:
    """Mask logits at the original size: enlarged to the network's input, cut to its image, resized to the original.

    Args:
        mask_logits: masks at the network's resolution; half precision comes back as float32.
        padded: the network's input with its padding on the right and at the bottom.
        size: the image in that input, without the padding.
        original: the image before it was resized for the network.
        mode: of the last step: "bicubic" with antialiasing, the protocol of panoptic, instance, semantic and referring
            evaluation; "bilinear" without, the protocol of interactive evaluation.
    """
    if mask_logits.dtype in (torch.float16, torch.bfloat16):
        mask_logits = mask_logits.float()
    cut = _resize(mask_logits, padded, "bilinear")[:, : size.height, : size.width]
    return _resize(cut, original, mode)


def _resize(masks: Float[Tensor, "N h w"], size: Size, mode: str) -> Float[Tensor, "N H W"]:
    """Masks at another size, the same tensor if they have it."""
    if tuple(masks.shape[-2:]) == tuple(size):
        return masks
    if not len(masks):
        return masks.new_zeros((0, *size))
    return F.interpolate(masks[None], tuple(size), mode=mode, align_corners=False, antialias=mode == "bicubic")[0]
