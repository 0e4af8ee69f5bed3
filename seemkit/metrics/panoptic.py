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

    A class without any true positive, false positive or false negative is omitted from the averages. An average over
    no class is NaN. Counts are summed over images before the division, as in COCO.

    Attributes:
        counts: float64 [K, 4]; for each class the sum of IoU, true positives, false positives, false negatives.
    """

    full_state_update = False
    higher_is_better = True
    counts: Tensor

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.add_state("counts", torch.zeros(len(vocabulary), 4, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predicted: Panoptic, target: Panoptic) -> None:
        """Add one image; see `panoptic_counts`."""
        self.counts += panoptic_counts(predicted, target, len(self.vocabulary))

    def compute(self) -> dict[str, Tensor]:
        """Return the scalars pq, sq and rq, and the same with the suffixes `_things` and `_stuff`."""
        things = torch.tensor(self.vocabulary.things, dtype=torch.bool, device=self.counts.device)
        groups = {"": torch.ones_like(things), "_things": things, "_stuff": ~things}
        qualities = panoptic_qualities(self.counts)
        return {
            name + suffix: values[members].nanmean()
            for suffix, members in groups.items()
            for name, values in qualities.items()
        }

    def per_class(self) -> dict[str, Float64[Tensor, " K"]]:
        """Return pq, sq and rq of each class, NaN for an omitted class. Call it on every process, like `compute`."""
        with self.sync_context():
            return panoptic_qualities(self.counts)


def panoptic_qualities(counts: Float64[Tensor, "K 4"]) -> dict[str, Float64[Tensor, " K"]]:
    """Return pq, sq and rq in 0..1 of each row (sum of IoU, TP, FP, FN).

    They are NaN if TP + FP + FN = 0; if only TP = 0, they are 0.
    """
    iou_sum, true_positives, false_positives, false_negatives = counts.unbind(dim=1)
    weight = true_positives + 0.5 * false_positives + 0.5 * false_negatives
    sq = torch.where(weight > 0, iou_sum / true_positives.clamp(min=1), torch.nan)
    return {"pq": iou_sum / weight, "sq": sq, "rq": true_positives / weight}


def panoptic_counts(predicted: Panoptic, target: Panoptic, num_classes: int) -> Float64[Tensor, "K 4"]:
    """Return the sum of IoU, true positives, false positives and false negatives of each class in one image.

    The rules are panopticapi's:

    * Two segments of one class match if their IoU is above 0.5. The union omits the prediction's pixels on void.
    * A crowd segment neither matches nor counts as missed.
    * An unmatched prediction is excused if more than half of it is on void or on the crowd of its class. If an image
      has several crowds of one class, the one listed last counts.
    * A target pixel whose id is not listed is neither void nor part of a segment.

    Args:
        predicted: ids and segments of the prediction; their `crowd` flags are ignored.
        target: ids and segments of the ground truth, on the same device; a listed segment without pixels is missed.
        num_classes: K; labels are in 0..K-1.

    Returns:
        float64 [K, 4] on the device of the maps.

    Raises:
        InputError: a label is outside 0..K-1, or the prediction's map and list of segments differ.
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
    """Return the IoU of each pair of target and predicted segment; unions omit the prediction's pixels on void."""
    overlap, on_void = joint[1:-1, 1:-1], joint[0, 1:-1]
    union = joint[1:-1].sum(dim=1, keepdim=True) + joint.sum(dim=0)[1:-1] - overlap - on_void
    return overlap.double() / union.double()


def _excused_share(joint: Int[Tensor, "G+2 P+2"], own_crowd: Bool[Tensor, "G P"]) -> Float64[Tensor, " P"]:
    """Return the share of each prediction's pixels that is on void or on the crowd of its class."""
    excused = joint[0, 1:-1] + (joint[1:-1, 1:-1] * own_crowd).sum(dim=0)
    return excused.double() / joint.sum(dim=0)[1:-1].double()


def _labels(
    segments: Sequence[Segment], num_classes: int, device: torch.device
) -> tuple[Int[Tensor, " N"], Bool[Tensor, " N"]]:
    """Return the labels and crowd flags of segments.

    Raises:
        InputError: a label is outside 0..K-1.
    """
    for segment in segments:
        if not 0 <= segment.label < num_classes:
            raise InputError(
                f"panoptic segment {segment.id}: label {segment.label} is outside 0..{num_classes - 1}; "
                "use the vocabulary with which the segments were labeled"
            )
    labels = torch.tensor([s.label for s in segments], dtype=torch.int64, device=device)
    return labels, torch.tensor([s.crowd for s in segments], dtype=torch.bool, device=device)


def _last_crowds(labels: Int[Tensor, " N"], crowd: Bool[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """Return which segments are the last listed crowd of their class."""
    later = torch.ones(len(labels), len(labels), dtype=torch.bool, device=labels.device).triu(diagonal=1)
    return crowd & ~((labels[:, None] == labels) & crowd & later).any(dim=1)


def _joint_histogram(predicted: Panoptic, target: Panoptic) -> Int[Tensor, "G+2 P+2"]:
    """Return the number of pixels by (target, predicted) segment; first row and column are void, last unlisted ids."""
    if predicted.ids.shape != target.ids.shape:
        raise ValueError(f"panoptic maps differ: predicted {[*predicted.ids.shape]}, target {[*target.ids.shape]}")
    rows, columns = len(target.segments) + 2, len(predicted.segments) + 2
    pairs = _positions(target) * columns + _positions(predicted)
    return torch.bincount(pairs.flatten(), minlength=rows * columns).view(rows, columns)


def _positions(panoptic: Panoptic) -> Int[Tensor, "H W"]:
    """Return 0 for void, 1..N for the listed segments in their order, and N+1 for ids that are not listed."""
    listed = [0, *(segment.id for segment in panoptic.segments)]
    highest = max(int(panoptic.ids.max()), *listed)
    if panoptic.ids.min() >= 0 and highest < panoptic.ids.numel():  # a table is faster, and no larger than the map
        table = torch.full((highest + 1,), len(listed), device=panoptic.ids.device)
        table[listed] = torch.arange(len(listed), device=table.device)
        return table[panoptic.ids]
    ids, order = torch.tensor(listed, device=panoptic.ids.device).sort()
    nearest = torch.searchsorted(ids, panoptic.ids).clamp(max=len(listed) - 1)
    return torch.where(ids[nearest] == panoptic.ids, order[nearest], len(listed))


def _check_prediction(joint: Int[Tensor, "G+2 P+2"], segments: Sequence[Segment]) -> None:
    """Raise InputError unless the predicted map has exactly the listed segments."""
    *areas, unlisted = joint.sum(dim=0)[1:].tolist()
    if unlisted:
        raise InputError(f"predicted panoptic map: {unlisted} pixels have an id without a segment; list every id")
    empty = [segment.id for segment, area in zip(segments, areas, strict=True) if not area]
    if empty:
        raise InputError(f"predicted panoptic segments {empty}: no pixels in the map; list only ids of the map")
