"""Cumulative IoU, mean IoU and precision of masks predicted from phrases (RefCOCO protocol)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torchmetrics import Metric

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


class ReferringIoU(Metric):
    """cIoU, mIoU and precision at five thresholds over all phrases, and cIoU of the phrases with each tag, in 0..1.

    cIoU is the sum of intersections divided by the sum of unions. mIoU is the mean of the IoUs. Precision is the share
    of phrases with IoU >= threshold, compared in float64. Two empty masks have an IoU of 0.

    Args:
        tags: tags to report separately; `update` ignores other tags.

    Attributes:
        sums: float64 [8], sums over phrases of intersection, union, IoU, and the hits at the five thresholds.
        phrases: int64, the number of phrases.
        tag_sums: int64 [tags, 2], sums of intersections and unions over the phrases with each tag.
    """

    full_state_update = False
    higher_is_better = True
    sums: Tensor
    phrases: Tensor
    tag_sums: Tensor

    def __init__(self, tags: Sequence[str] = ()) -> None:
        super().__init__()
        self.tags = tuple(tags)
        self.add_state("sums", torch.zeros(3 + len(THRESHOLDS), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("phrases", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("tag_sums", torch.zeros(len(self.tags), 2, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, predicted: Bool[Tensor, "N H W"], target: Bool[Tensor, "N H W"], tags: Sequence[tuple[str, ...]] = ()
    ) -> None:
        """Add the phrases of one image.

        Args:
            predicted: one mask per phrase.
            target: mask that each phrase refers to.
            tags: tags of each phrase; empty if no phrase has tags.

        Raises:
            ValueError: the stacks of masks differ in shape, or the number of tag tuples differs.
        """
        if tags and len(tags) != len(target):
            raise ValueError(f"referring: {len(target)} phrases but {len(tags)} tuples of tags")
        intersection, union = overlaps(predicted, target)
        iou = intersection.double() / union.clamp(min=1)
        hits = [iou >= threshold for threshold in THRESHOLDS]
        self.sums += torch.stack([intersection.double(), union.double(), iou, *hits]).sum(dim=1)
        self.phrases += len(target)
        for index, tag in enumerate(self.tags):
            tagged = torch.tensor([tag in names for names in tags], dtype=torch.bool, device=iou.device)
            if tagged.any():
                self.tag_sums[index] += torch.stack((intersection[tagged].sum(), union[tagged].sum()))

    def compute(self) -> dict[str, Tensor]:
        """Return the scalars referring_ciou, referring_miou, referring_p50 .. referring_p90, and referring_ciou_TAG.

        TAG is each of the tags. A figure without phrases is NaN.
        """
        intersection, union, iou, *hits = self.sums
        result = {"referring_ciou": intersection / union, "referring_miou": iou / self.phrases}
        for threshold, hit in zip(THRESHOLDS, hits, strict=True):
            result[f"referring_p{threshold * 100:.0f}"] = hit / self.phrases
        for tag, (tag_intersection, tag_union) in zip(self.tags, self.tag_sums.double(), strict=True):
            result[f"referring_ciou_{tag}"] = tag_intersection / tag_union
        return result


def overlaps(
    predicted: Bool[Tensor, "N H W"], target: Bool[Tensor, "N H W"]
) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"]]:
    """Return the number of pixels in the intersection and in the union of each pair of masks, int64.

    Raises:
        ValueError: the stacks differ in shape.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"masks differ: predicted {[*predicted.shape]}, target {[*target.shape]}")
    return (predicted & target).sum(dim=(-2, -1)), (predicted | target).sum(dim=(-2, -1))
