"""Number of clicks to an IoU, and IoU per round, of interactive segmentation (RITM protocol, arXiv 2102.06583)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric

THRESHOLDS = (0.5, 0.8, 0.85, 0.9)
REPORTED_ROUNDS = {"iou_1click": 1, "iou_3clicks": 3, "iou_5clicks": 5}


class InteractiveIoU(Metric):
    """Mean number of clicks to four IoU thresholds, objects that used all clicks, and mean IoU after each round.

    K-NoC treats the K objects of an image together, as if a user clicked them in turn. It is the number of rounds until
    each object has reached the threshold once, so the largest number of clicks among the objects.

    Args:
        max_clicks: rounds per object; also the number of clicks of an object that never reaches a threshold.

    Attributes:
        objects: int64, the number of objects.
        iou_sum: float64 [R], sum of IoU after each round.
        clicks: int64 [4], sum of the number of clicks to each threshold.
        failures: int64 [4], objects that used all clicks for a threshold.
        images: int64, the number of images with objects.
        image_clicks: int64 [4], sum over images of the largest number of clicks among the image's objects.
    """

    full_state_update = False
    objects: Tensor
    iou_sum: Tensor
    clicks: Tensor
    failures: Tensor
    images: Tensor
    image_clicks: Tensor

    def __init__(self, max_clicks: int = 20) -> None:
        super().__init__()
        self.max_clicks = max_clicks
        self.add_state("objects", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("iou_sum", torch.zeros(max_clicks, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("clicks", torch.zeros(len(THRESHOLDS), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("failures", torch.zeros(len(THRESHOLDS), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("image_clicks", torch.zeros(len(THRESHOLDS), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, ious: Float[Tensor, "N R"]) -> None:
        """Add the N objects of one image, given their IoU (0..1) after each of the R = `max_clicks` rounds.

        Raises:
            ValueError: the number of rounds is not `max_clicks`.
        """
        if ious.ndim != 2 or ious.shape[1] != self.max_clicks:
            raise ValueError(f"interactive: IoUs are {[*ious.shape]}, not [objects, {self.max_clicks} rounds]")
        if not len(ious):
            return
        clicks = torch.stack([number_of_clicks(ious, threshold, self.max_clicks) for threshold in THRESHOLDS])
        self.objects += len(ious)
        self.iou_sum += ious.double().sum(dim=0)
        self.clicks += clicks.sum(dim=1)
        self.failures += (clicks == self.max_clicks).sum(dim=1)
        self.images += 1
        self.image_clicks += clicks.amax(dim=1)

    def compute(self) -> dict[str, Tensor]:
        """Return noc_T, k_noc_T and nof_T for T = 50, 80, 85, 90, iou_1click, iou_3clicks, iou_5clicks, iou_curve [R].

        noc_T is a mean over objects, k_noc_T a mean over images, nof_T a number of objects. As in RITM's tables, nof_T
        counts every object whose number of clicks is `max_clicks`, even if it reaches T in the last round. Rounds
        beyond `max_clicks` are not reported. Means are NaN without objects.
        """
        curve = self.iou_sum / self.objects
        result = {"iou_curve": curve}
        result |= {name: curve[number - 1] for name, number in REPORTED_ROUNDS.items() if number <= self.max_clicks}
        for index, threshold in enumerate(THRESHOLDS):
            result[f"noc_{threshold * 100:.0f}"] = self.clicks[index].double() / self.objects
            result[f"k_noc_{threshold * 100:.0f}"] = self.image_clicks[index].double() / self.images
            result[f"nof_{threshold * 100:.0f}"] = self.failures[index]
        return result


def number_of_clicks(ious: Float[Tensor, "*N R"], threshold: float, max_clicks: int = 20) -> Int[Tensor, "*N"]:
    """Return the first round (from 1) with IoU >= threshold, or `max_clicks` if none of the first `max_clicks` has it.

    IoUs are compared in their own precision, so an IoU of exactly 9/10 passes 0.9 both in float32 and in float64.
    """
    waiting = (ious[..., :max_clicks] >= threshold).cumsum(dim=-1) == 0
    return (waiting.sum(dim=-1) + 1).clamp(max=max_clicks)
