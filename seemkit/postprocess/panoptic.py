"""Panoptic maps from object queries (MaskFormer, arXiv 2107.06278, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seemkit.postprocess.resize import Enlarge, as_they_are
from seemkit.types import Panoptic, Segment


class PanopticParts(NamedTuple):
    """A panoptic map and the masks it is made of.

    Attributes:
        panoptic: the map.
        logits: [n, H, W], mask logits of the confident queries at the size of the map.
        rows: for each segment, the rows of `logits` whose union it is; only stuff can have more than one.
    """

    panoptic: Panoptic
    logits: Tensor
    rows: list[list[int]]


def panoptic_map(
    class_probabilities: Float[Tensor, "Q classes"],
    mask_logits: Float[Tensor, "Q h w"],
    things: Sequence[bool],
    score_threshold: float = 0.8,
    overlap_threshold: float = 0.8,
    enlarge: Enlarge = as_they_are,
) -> Panoptic:
    """Return the panoptic map of one image; ids count from 1 in the order of the queries.

    Each pixel goes to the confident query with the largest class score times mask probability, if the mask of this
    query covers the pixel. A query that keeps too little of its own mask is dropped. Stuff of one class is one segment.

    Args:
        class_probabilities: [Q, K+1] after the softmax; the last class means no object.
        mask_logits: mask logits, one mask per query.
        things: K flags; False means stuff.
        score_threshold: threshold of confidence; a query is confident if its largest probability is above this value
            and not that of the last class.
        overlap_threshold: lowest ratio of the pixels that a query wins to the pixels of its mask (probability >= 0.5).
        enlarge: function that resizes masks to the size of the map; it gets only the masks of confident queries.

    Returns:
        int64 ids [H, W] on the device of the masks, and the segments with the class probability as score (the largest
        one for merged stuff).
    """
    return panoptic_parts(class_probabilities, mask_logits, things, score_threshold, overlap_threshold, enlarge)[0]


def panoptic_parts(
    class_probabilities: Float[Tensor, "Q classes"],
    mask_logits: Float[Tensor, "Q h w"],
    things: Sequence[bool],
    score_threshold: float = 0.8,
    overlap_threshold: float = 0.8,
    enlarge: Enlarge = as_they_are,
) -> PanopticParts:
    """Return the result of `panoptic_map` and the masks that the segments come from; the arguments are the same."""
    scores, labels = class_probabilities.max(dim=-1)
    confident = (labels != class_probabilities.shape[-1] - 1) & (scores > score_threshold)
    scores, labels = scores[confident], labels[confident]
    logits = enlarge(mask_logits[confident])
    if not len(scores):
        nothing = Panoptic(torch.zeros(logits.shape[1:], dtype=torch.int64, device=logits.device))
        return PanopticParts(nothing, logits, [])
    winner, covered, own_area = _compete(scores, logits)
    kept = _kept(winner, covered, own_area, overlap_threshold)
    id_of_query, segments = _numbered(kept.tolist(), labels.tolist(), scores.tolist(), things)
    ids = torch.tensor(id_of_query, device=winner.device)[winner]
    rows = [[row for row, id_ in enumerate(id_of_query) if id_ == segment.id] for segment in segments]
    return PanopticParts(Panoptic(ids * covered, segments), logits, rows)


def _compete(
    scores: Float[Tensor, " n"], logits: Float[Tensor, "n H W"]
) -> tuple[Int[Tensor, "H W"], Bool[Tensor, "H W"], Int[Tensor, " n"]]:
    """Return the query that wins each pixel (the first of equals), whether its mask covers the pixel, and all areas.

    The queries are processed one by one, so that intermediate results stay in the cache.
    """
    best = torch.full_like(logits[0], -1.0)
    winner, covered = best.new_zeros(best.shape, dtype=torch.int64), best.new_zeros(best.shape, dtype=torch.bool)
    areas = []
    for row, (score, masks) in enumerate(zip(scores, logits, strict=True)):
        probability = masks.sigmoid()
        inside = probability >= 0.5
        areas.append(inside.sum())
        better = probability.mul_(score) > best
        best = torch.maximum(best, probability)
        winner.masked_fill_(better, row)
        covered = torch.where(better, inside, covered)
    return winner, covered, torch.stack(areas)


def _kept(
    winner: Int[Tensor, "H W"], covered: Bool[Tensor, "H W"], own_area: Int[Tensor, " Q"], overlap_threshold: float
) -> Bool[Tensor, " Q"]:
    """Return which queries win at least one covered pixel, and enough pixels relative to their own mask."""
    won = torch.bincount(winner.flatten(), minlength=len(own_area))
    final = torch.bincount(winner[covered], minlength=len(own_area))
    # A covered pixel is in the query's own mask, so if `final` is positive, the other two areas are too.
    return (final > 0) & (won.double() / own_area.double() >= overlap_threshold)


def _numbered(
    kept: Sequence[bool], labels: Sequence[int], scores: Sequence[float], things: Sequence[bool]
) -> tuple[list[int], list[Segment]]:
    """Return the segment id of each query (0 if dropped) and the segments; queries of one stuff class share an id."""
    segments: list[Segment] = []
    id_of_stuff: dict[int, int] = {}
    ids = [0] * len(kept)
    for query, label in enumerate(labels):
        if not kept[query]:
            continue
        ids[query] = id_of_stuff.get(label, len(segments) + 1)
        if ids[query] > len(segments):
            segments.append(Segment(ids[query], label, score=scores[query]))
        else:
            best = max(scores[query], segments[ids[query] - 1].score)
            segments[ids[query] - 1] = Segment(ids[query], label, score=best)
        if not things[label]:
            id_of_stuff[label] = ids[query]
    return ids, segments
