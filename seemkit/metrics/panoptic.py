"""Panoptic quality as COCO's panopticapi computes it (Kirillov et al., Panoptic Segmentation, CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor
from torchmetrics import Metric

from seemkit.errors import InputError
from seemkit.types import Panoptic, Segment, Vocabulary


class PanopticQuality(Metric):
    """PQ, SQ and RQ in 0..1, averaged over all classes, things and stuff.

    A class without any true positive, false positive or false negative is left out of the averages. An average over
    no class is NaN. Counts are summed over images before the division, as in COCO.

    Attributes:
        counts: float64 [K, 4], per class the sum of IoU, true positives, false positives, false negatives.
    """

    full_state_update = False
    higher_is_better = True
    counts: Tensor

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.add_state("counts", torch.zeros(len(vocabulary), 4, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predicted: Panoptic, target: Panoptic) -> None:
        """Adds one image; see `panoptic_counts`."""
        self.counts += panoptic_counts(predicted, target, len(self.vocabulary))

    def compute(self) -> dict[str, Tensor]:
        """Scalars pq, sq, rq, the same with the suffix `_things` and `_stuff`."""
        things = torch.tensor(self.vocabulary.things, dtype=torch.bool, device=self.counts.device)
        groups = {"": torch.ones_like(things), "_things": things, "_stuff": ~things}
        qualities = panoptic_qualities(self.counts)
        return {
            name + suffix: values[members].nanmean()
            for suffix, members in groups.items()
            for name, values in qualities.items()
        }

    def per_class(self) -> dict[str, Float64[Tensor, " K"]]:
        """pq, sq, rq of each class, NaN for a class that was left out. Call it on every process, as `compute`."""
        with self.sync_context():
            return panoptic_qualities(self.counts)


def panoptic_qualities(counts: Float64[Tensor, "K 4"]) -> dict[str, Float64[Tensor, " K"]]:
    """pq, sq, rq in 0..1 of each row (sum of IoU, TP, FP, FN); NaN where TP + FP + FN = 0, sq = 0 where only TP = 0."""
    iou_sum, true_positives, false_positives, false_negatives = counts.unbind(dim=1)
    weight = true_positives + 0.5 * false_positives + 0.5 * false_negatives
    sq = torch.where(weight > 0, iou_sum / true_positives.clamp(min=1), torch.nan)
    return {"pq": iou_sum / weight, "sq": sq, "rq": true_positives / weight}


def panoptic_counts(predicted: Panoptic, target: Panoptic, num_classes: int) -> Float64[Tensor, "K 4"]:
    """Sum of IoU, true positives, false positives and false negatives of each class in one image.

    The rules of panopticapi: a pair of one class matches above an IoU of 0.5, where the prediction's pixels on void are
    left out of the union. A crowd segment neither matches nor is missed. An unmatched prediction is excused if more
    than half of it lies on void or on the crowd of its class; of several crowds of one class in an image, the one
    listed last counts. A pixel of the target whose id is not listed is neither void nor a segment.

    Args:
        predicted: ids and segments of the prediction; a `crowd` flag there is not read.
        target: ids and segments of the ground truth, on the same device; a listed segment without pixels is missed.
        num_classes: K; labels are in 0..K-1.

    Returns:
        float64 [K, 4] on the device of the maps.

    Raises:
        InputError: a label outside 0..K-1, or a prediction whose map and list of segments differ.
        ValueError: the maps differ in size.
    """
    labels, crowd = _labels(target.segments, num_classes, target.ids.device)
    predicted_labels, _ = _labels(predicted.segments, num_classes, target.ids.device)
    joint = _joint_histogram(predicted, target)
    _check_prediction(joint, predicted.segments)

    same_class = labels[:, None] == predicted_labels
    iou = _ious(joint)
    matched = same_class & ~crowd[:, None] & (iou > 0.5)
    excused = _excused_share(joint, same_class & _last_crowds(labels, crowd)[:, None]) > 0.5
    spurious = ~matched.any(dim=0) & ~excused
    missed = ~matched.any(dim=1) & ~crowd

    hits = labels[matched.nonzero()[:, 0]]
    columns = (
        torch.zeros(num_classes, dtype=torch.float64, device=iou.device).index_add(0, hits, iou[matched]),
        *(torch.bincount(c, minlength=num_classes) for c in (hits, predicted_labels[spurious], labels[missed])),
    )
    return torch.stack([column.double() for column in columns], dim=1)


def _ious(joint: Int[Tensor, "G+2 P+2"]) -> Float64[Tensor, "G P"]:
    """IoU of each pair of target and predicted segment, the prediction's pixels on void left out of the union."""
    overlap, on_void = joint[1:-1, 1:-1], joint[0, 1:-1]
    union = joint[1:-1].sum(dim=1, keepdim=True) + joint.sum(dim=0)[1:-1] - overlap - on_void
    return overlap.double() / union.double()


def _excused_share(joint: Int[Tensor, "G+2 P+2"], own_crowd: Bool[Tensor, "G P"]) -> Float64[Tensor, " P"]:
    """Share of each prediction's pixels that lies on void or on the crowd of its class."""
    excused = joint[0, 1:-1] + (joint[1:-1, 1:-1] * own_crowd).sum(dim=0)
    return excused.double() / joint.sum(dim=0)[1:-1].double()


def _labels(
    segments: Sequence[Segment], num_classes: int, device: torch.device
) -> tuple[Int[Tensor, " N"], Bool[Tensor, " N"]]:
    """Labels and crowd flags of segments."""
    for segment in segments:
        if not 0 <= segment.label < num_classes:
            raise InputError(
                f"panoptic segment {segment.id}: label {segment.label} is outside 0..{num_classes - 1}; "
                "use the vocabulary that the segments were labeled with"
            )
    labels = torch.tensor([s.label for s in segments], dtype=torch.int64, device=device)
    return labels, torch.tensor([s.crowd for s in segments], dtype=torch.bool, device=device)


def _last_crowds(labels: Int[Tensor, " N"], crowd: Bool[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """Which segments are the last listed crowd of their class."""
    later = torch.ones(len(labels), len(labels), dtype=torch.bool, device=labels.device).triu(diagonal=1)
    return crowd & ~((labels[:, None] == labels) & crowd & later).any(dim=1)


def _joint_histogram(predicted: Panoptic, target: Panoptic) -> Int[Tensor, "G+2 P+2"]:
    """Pixels of each pair of target and predicted segment; first row and column void, last ones unlisted ids."""
    if predicted.ids.shape != target.ids.shape:
        raise ValueError(f"panoptic maps differ: predicted {[*predicted.ids.shape]}, target {[*target.ids.shape]}")
    rows, columns = len(target.segments) + 2, len(predicted.segments) + 2
    pairs = _positions(target) * columns + _positions(predicted)
    return torch.bincount(pairs.flatten(), minlength=rows * columns).view(rows, columns)


def _positions(panoptic: Panoptic) -> Int[Tensor, "H W"]:
    """0 for void, 1..N for the listed segments in their order, N+1 for ids that are not listed."""
    listed = [0, *(segment.id for segment in panoptic.segments)]
    highest = max(int(panoptic.ids.max()), *listed)
    if panoptic.ids.min() >= 0 and highest < panoptic.ids.numel():  # a table is faster and no larger than the map
        table = torch.full((highest + 1,), len(listed), device=panoptic.ids.device)
        table[listed] = torch.arange(len(listed), device=table.device)
        return table[panoptic.ids]
    ids, order = torch.tensor(listed, device=panoptic.ids.device).sort()
    nearest = torch.searchsorted(ids, panoptic.ids).clamp(max=len(listed) - 1)
    return torch.where(ids[nearest] == panoptic.ids, order[nearest], len(listed))


def _check_prediction(joint: Int[Tensor, "G+2 P+2"], segments: Sequence[Segment]) -> None:
    """Raises InputError unless the predicted map has every listed segment and no other."""
    *areas, unlisted = joint.sum(dim=0)[1:].tolist()
    if unlisted:
        raise InputError(f"predicted panoptic map: {unlisted} pixels have an id that no segment has; list every id")
    empty = [segment.id for segment, area in zip(segments, areas, strict=True) if not area]
    if empty:
        raise InputError(f"predicted panoptic segments {empty} have no pixel in the map; list only ids of the map")
