"""Semantic maps from object queries (MaskFormer, arXiv 2107.06278, section 3.4)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 1 << 20
"""Number of scores that exist at a time in a semantic map; 4 MiB of them stay in a processor's cache."""


def semantic_scores(
    class_probabilities: Float[Tensor, "Q classes"], mask_logits: Float[Tensor, "Q H W"]
) -> Float[Tensor, "K H W"]:
    """Return the score of each class at each pixel: class probability times mask probability, summed over queries.

    Scores are >= 0 and not normalized.

    Args:
        class_probabilities: [Q, K+1] after the softmax; the last class means no object and is dropped.
        mask_logits: mask logits, one mask per query.
    """
    return torch.einsum("qk,qhw->khw", class_probabilities[:, :-1], mask_logits.sigmoid())


def semantic_map(
    class_probabilities: Float[Tensor, "Q classes"], mask_logits: Float[Tensor, "Q H W"]
) -> Int[Tensor, "H W"]:
    """Return the label 0..K-1 with the highest score at each pixel, int64; see `semantic_scores`.

    The scores of a few rows exist at a time: those of 133 classes at 1024 x 1024 pixels would take 533 MiB.
    """
    rows = max(1, BLOCK // (class_probabilities.shape[1] * mask_logits.shape[2]))
    blocks = mask_logits.split(rows, dim=1)
    return torch.cat([semantic_scores(class_probabilities, block).argmax(dim=0) for block in blocks])
