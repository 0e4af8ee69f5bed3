"""Masks that may overlap, as one map of object ids."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def object_ids(masks: Float[Tensor, "N H W"]) -> Int[Tensor, "H W"]:
    """For each pixel the number of the object with the highest logit there, from 1; 0 where none is positive.

    The first of equal objects wins.

    Args:
        masks: mask logits.
    """
    if not len(masks):
        return torch.zeros(masks.shape[1:], dtype=torch.int64, device=masks.device)
    best, index = masks.max(dim=0)
    return torch.where(best > 0, index + 1, 0)


def object_masks(ids: Int[Tensor, "H W"], count: int) -> Bool[Tensor, "N H W"]:
    """The masks of the objects 1 to `count` of a map of ids."""
    return ids == torch.arange(1, count + 1, device=ids.device)[:, None, None]
