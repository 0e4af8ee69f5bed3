"""Instances from object queries (Mask2Former, arXiv 2112.01527)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.postprocess.resize import Enlarge, as_they_are
from seemkit.types import Instances

AT_ONCE = 2
"""Number of masks that are enlarged together; those of a photograph then stay in a processor's cache."""


def instances(
    class_probabilities: Float[Tensor, "Q classes"],
    mask_logits: Float[Tensor, "Q h w"],
    things: Sequence[bool],
    limit: int = 100,
    enlarge: Enlarge = as_they_are,
) -> Instances:
    """Return the things among the `limit` most probable pairs of query and class, highest score first.

    A query can appear with several classes. The score is the class probability times the mean mask probability inside
    the mask. Stuff counts toward the limit and is then dropped, as in the reference.

    Args:
        class_probabilities: [Q, K+1] after the softmax; the last class means no object and is dropped.
        mask_logits: mask logits, one mask per query.
        things: K flags; False means stuff.
        limit: number of pairs to consider.
        enlarge: function that resizes masks to the size of the image; it gets only the masks of queries that appear.
    """
    pair_scores = class_probabilities[:, :-1].flatten()
    scores, pairs = pair_scores.topk(min(limit, len(pair_scores)))
    num_classes = class_probabilities.shape[-1] - 1
    queries, labels = pairs // num_classes, pairs % num_classes
    is_thing = torch.tensor(things, dtype=torch.bool, device=labels.device)[labels]
    scores, queries, labels = scores[is_thing], queries[is_thing], labels[is_thing]

    appearing, row = queries.unique(return_inverse=True)
    parts = [_measure(enlarge(part)) for part in mask_logits[appearing].split(AT_ONCE)]
    masks, quality = (torch.cat(found) for found in zip(*parts, strict=True))
    scores, order = (scores * quality[row]).sort(descending=True, stable=True)
    return Instances(masks[row[order]], labels[order], scores, queries[order])


def _measure(logits: Float[Tensor, "N H W"]) -> tuple[Bool[Tensor, "N H W"], Float[Tensor, " N"]]:
    """Return the masks of logits, and the mean probability inside each mask, which is 0 for an empty one."""
    masks = logits > 0
    inside = (logits.sigmoid() * masks).sum(dim=(1, 2))
    return masks, inside / (masks.sum(dim=(1, 2)) + 1e-6)


def distinct(masks: Bool[Tensor, "N H W"], scores: Float[Tensor, " N"]) -> list[int]:
    """Return the rows of the masks that are no duplicates, best first.

    A mask is a duplicate if its IoU with a better one is at least 0.5. Empty masks are dropped.
    """
    kept: list[int] = []
    for row in scores.argsort(descending=True, stable=True).tolist():
        shared = (masks[kept] & masks[row]).flatten(1).sum(dim=1)
        total = (masks[kept] | masks[row]).flatten(1).sum(dim=1)
        if bool(masks[row].any()) and not bool((2 * shared >= total).any()):
            kept.append(row)
    return kept
