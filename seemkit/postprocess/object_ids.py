"""Maps of object ids from overlapping masks, and back."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def object_ids(masks: Float[Tensor, "N H W"]) -> Int[Tensor, "H W"]:
    """Return for each pixel the number (from 1) of the object with the highest logit, or 0 if no logit is positive.

    The first of equal objects wins.

    Args:
        masks: mask logits, one mask per object.
    """
    if not len(masks):
        return torch.zeros(masks.shape[1:], dtype=torch.int64, device=masks.device)
    best, index = masks.max(dim=0)
    return torch.where(best > 0, index + 1, 0)


def object_masks(ids: Int[Tensor, "H W"], count: int) -> Bool[Tensor, "N H W"]:
    """Return the masks of objects 1 to `count` from a map of ids."""
    return ids == torch.arange(1, count + 1, device=ids.device)[:, None, None]
