"""Region similarity J and contour accuracy F of objects in a video (Perazzi et al., CVPR 2016).

The rules are those of davis2017-evaluation for DAVIS's semi-supervised task (arXiv 1704.00675), where void counts as
background.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from seemkit.metrics.referring import overlaps

TOLERANCE = 0.008
"""Largest distance at which contours agree, as a fraction of the frame's diagonal."""


class VideoQuality(Metric):
    """J and F in 0..1, with recall and decay, averaged over the objects of all sequences.

    Attributes:
        objects: int64, the number of objects.
        sums: float64 [2, 3], sums over objects of the mean, recall and decay of J and of F.
    """

    full_state_update = False
    higher_is_better = True
    objects: Tensor
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("objects", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("sums", torch.zeros(2, 3, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, j: Float[Tensor, "frames objects"], f: Float[Tensor, "frames objects"]) -> None:
        """Add the objects of one finished sequence.

        Args:
            j: `region_similarity` of the sequence's scored frames in order; DAVIS scores all but the first and last.
            f: `contour_accuracy` of the same frames and objects.

        Raises:
            ValueError: `j` and `f` are not two-dimensional, differ in shape, or have no frame.
        """
        if j.ndim != 2 or j.shape != f.shape or not len(j):
            raise ValueError(f"video: J is {[*j.shape]} and F {[*f.shape]}, not both [frames, objects] with a frame")
        self.objects += j.shape[1]
        self.sums += torch.stack([torch.stack([*over_frames(values).values()]).sum(dim=1) for values in (j, f)])

    def compute(self) -> dict[str, Tensor]:
        """Return the scalars jf_mean, j_mean, j_recall, j_decay, f_mean, f_recall, f_decay; NaN without an object.

        They are means over objects, so a sequence with many objects counts more. jf_mean is the mean of j_mean and
        f_mean. A decay is in -1..1; lower is better.
        """
        j, f = self.sums / self.objects
        return {
            "jf_mean": (j[0] + f[0]) / 2,
            **dict(zip(("j_mean", "j_recall", "j_decay"), j, strict=True)),
            **dict(zip(("f_mean", "f_recall", "f_decay"), f, strict=True)),
        }


def over_frames(values: Float[Tensor, "frames objects"]) -> dict[str, Float64[Tensor, " objects"]]:
    """Return mean, recall and decay of each object's values.

    Recall is the share of frames above 0.5. Decay is the mean over the first quarter of the frames minus the mean over
    the last quarter. Quarters meet at the frames k (n - 1) / 4, counted from 0 and rounded half up. These frames belong
    to both sides, so even a single frame has all four quarters. In davis2017-evaluation the frame numbers have 8 bits
    and wrap after 256 frames; here they do not.

    Args:
        values: J or F of at least one frame.
    """
    values = values.double()
    early, late = (((len(values) - 1) * quarter + 2) // 4 for quarter in (1, 3))
    return {
        "mean": values.mean(dim=0),
        "recall": (values > 0.5).double().mean(dim=0),
        "decay": values[: early + 1].mean(dim=0) - values[late:].mean(dim=0),
    }


def region_similarity(predicted: Bool[Tensor, "N H W"], target: Bool[Tensor, "N H W"]) -> Float64[Tensor, " N"]:
    """Return J of each object in one frame, 0..1: intersection over union, 1 if both masks are empty.

    Raises:
        ValueError: the stacks differ in shape.
    """
    intersection, union = overlaps(predicted, target)
    return torch.where(union > 0, intersection.double() / union.clamp(min=1), 1.0)


def contour_accuracy(predicted: Bool[Tensor, "N H W"], target: Bool[Tensor, "N H W"]) -> Float64[Tensor, " N"]:
    """Return F of each object in one frame, 0..1: how well the contours agree, 1 if neither mask has a contour.

    F is the harmonic mean of two shares: the part of the predicted contour near the target's contour, and the part of
    the target's contour near the predicted one. It is 0 if only one mask has a contour. Near means a distance of at
    most 0.008 of the diagonal, rounded up to whole pixels.

    Returns:
        float64 [N] on the device of the masks; the contours are compared on the CPU.

    Raises:
        ValueError: the stacks differ in shape.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"masks differ: predicted {[*predicted.shape]}, target {[*target.shape]}")
    radius = math.ceil(TOLERANCE * math.hypot(*target.shape[-2:]))
    found, truth = (contours(masks).cpu().numpy() for masks in (predicted, target))
    precision, recall = _share_near(found, truth, radius), _share_near(truth, found, radius)
    total = precision + recall
    accuracy = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    accuracy[~(found | truth).any(axis=(1, 2))] = 1
    return torch.from_numpy(accuracy).to(target.device)


def contours(masks: Bool[Tensor, "N H W"]) -> Bool[Tensor, "N H W"]:
    """Return which pixels differ from the pixel to the right, below, or below and to the right.

    Pixels outside the image do not count, so a mask has no contour along the border, and a full mask has none at all.
    """
    edge = torch.zeros_like(masks)
    edge[:, :, :-1] |= masks[:, :, :-1] != masks[:, :, 1:]
    edge[:, :-1] |= masks[:, :-1] != masks[:, 1:]
    edge[:, :-1, :-1] |= masks[:, :-1, :-1] != masks[:, 1:, 1:]
    return edge


def _share_near(edges: NDArray[np.bool_], others: NDArray[np.bool_], radius: int) -> NDArray[np.float64]:
    """Return the share of each contour's pixels within `radius` of a pixel of the other contour; 0 without pixels."""
    padded = np.pad(others, ((0, 0), (radius, radius), (radius, radius)))
    height, width = padded.shape[1:]
    owner, row, column = np.unravel_index(np.flatnonzero(edges), edges.shape)  # ten times as fast as nonzero
    place = (owner * height + row + radius) * width + column + radius
    count = np.bincount(owner, minlength=len(edges))
    # Contours are thin and mostly close to each other. Searching around their pixels, nearest first, and dropping the
    # pixels that have found one is much faster than dilating whole maps.
    for down, right in _disk(radius):
        missed = ~padded.ravel()[place + down * width + right]
        owner, place = owner[missed], place[missed]
    return (count - np.bincount(owner, minlength=len(edges))) / np.maximum(count, 1)


def _disk(radius: int) -> list[tuple[int, int]]:
    """Return the steps (down, right) of length at most `radius`, shortest first."""
    around = range(-radius, radius + 1)
    steps = [(down, right) for down in around for right in around if down**2 + right**2 <= radius**2]
    return sorted(steps, key=lambda step: step[0] ** 2 + step[1] ** 2)
