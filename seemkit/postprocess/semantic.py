"""Semantic maps from object queries (MaskFormer, arXiv 2107.06278, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 1 << 20
"""Number of scores that exist at a time in a semantic map; 4 MiB of them stay in a processor's cache."""


def semantic_map(
    class_probabilities: Float[Tensor, "Q classes"], mask_logits: Float[Tensor, "Q H W"]
) -> Int[Tensor, "H W"]:
    """Return the label 0..K-1 with the highest score at each pixel, int64.

    The score of a class is the class probability times the mask probability, summed over the queries.

    Args:
        class_probabilities: [Q, K+1] after the softmax; the last class means no object and is dropped.
        mask_logits: mask logits, one mask per query.
    """
    return semantic_map_of_rows(class_probabilities, [mask_logits])


def semantic_map_of_rows(
    class_probabilities: Float[Tensor, "Q classes"], mask_logits: Iterable[Float[Tensor, "Q h W"]]
) -> Int[Tensor, "H W"]:
    """Return the result of `semantic_map` for mask logits that come in blocks of rows, from top to bottom.

    The scores of a few rows exist at a time: those of 133 classes at 1024 x 1024 pixels would take 533 MiB. The scores
    of a pixel are side by side in memory, because the largest of them is found faster that way.
    """
    weights = class_probabilities[:, :-1].contiguous()
    parts = (
        part
        for block in mask_logits
        for part in block.split(max(1, BLOCK // (weights.shape[1] * block.shape[2])), dim=1)
    )
    return torch.cat([(part.sigmoid().flatten(1).T @ weights).argmax(dim=1).view(part.shape[1:]) for part in parts])
