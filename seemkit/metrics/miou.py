"""Mean IoU of semantic label maps, from one confusion matrix of the whole data set."""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int
from torch import Tensor
from torchmetrics import Metric

from seemkit.errors import InputError

IGNORED = -1


class MeanIoU(Metric):
    """Mean and frequency-weighted IoU over the classes of the ground truth, and pixel accuracy, all in 0..1.

    The matrix is summed over all images before the division, so every pixel counts the same in any image. A class that
    is predicted but absent from the ground truth has no IoU; its pixels count as misses of the true classes.

    Attributes:
        confusion: int64 [K, K], number of pixels by (target, predicted) label.
    """

    full_state_update = False
    higher_is_better = True
    confusion: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.add_state("confusion", torch.zeros(num_classes, num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predicted_labels: Int[Tensor, "H W"], target_labels: Int[Tensor, "H W"]) -> None:
        """Add one image; see `confusion_matrix`."""
        self.confusion += confusion_matrix(predicted_labels, target_labels, self.num_classes)

    def compute(self) -> dict[str, Tensor]:
        """Return the scalars miou, fwiou and pixel_accuracy; NaN without a labeled pixel."""
        frequency = self.confusion.sum(dim=1).double() / self.confusion.sum()
        iou = class_ious(self.confusion)
        return {
            "miou": iou.nanmean(),
            "fwiou": (iou.nan_to_num() * frequency).sum(),
            "pixel_accuracy": self.confusion.trace().double() / self.confusion.sum(),
        }

    def per_class(self) -> Float64[Tensor, " K"]:
        """Return the IoU of each class, NaN if absent from the truth. Call it on every process, like `compute`."""
        with self.sync_context():
            return class_ious(self.confusion)


def confusion_matrix(
    predicted_labels: Int[Tensor, "H W"], target_labels: Int[Tensor, "H W"], num_classes: int
) -> Int[Tensor, "K K"]:
    """Return the number of pixels of one image by (target, predicted) label, without pixels whose target is -1.

    Args:
        predicted_labels: labels in 0..K-1.
        target_labels: labels in 0..K-1, or -1 for a pixel to ignore; same device.
        num_classes: K.

    Raises:
        InputError: a label outside its range.
        ValueError: the maps differ in size.
    """
    if predicted_labels.shape != target_labels.shape:
        raise ValueError(f"label maps differ: predicted {[*predicted_labels.shape]}, target {[*target_labels.shape]}")
    valid = target_labels != IGNORED
    labels = torch.stack((target_labels[valid], predicted_labels[valid])).long()
    if ((labels < 0) | (labels >= num_classes)).any():
        raise InputError(
            f"semantic label map: values {labels.min().item()}..{labels.max().item()} are not all in "
            f"0..{num_classes - 1}; mark pixels to ignore with {IGNORED} in the target"
        )
    pairs = labels[0] * num_classes + labels[1]
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def class_ious(confusion: Int[Tensor, "K K"]) -> Float64[Tensor, " K"]:
    """Return the IoU in 0..1 of each class, NaN for a class without a target pixel."""
    in_target, predicted, right = confusion.sum(dim=1), confusion.sum(dim=0), confusion.diagonal()
    iou = right.double() / (in_target + predicted - right)
    return iou.masked_fill(in_target == 0, torch.nan)
