"""Panoptic quality and mIoU of the maps that the object queries predict."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from seemkit.callbacks.evaluation.base import Evaluation, about, check_finite
from seemkit.callbacks.evaluation.worst_cases import PANOPTIC_KEY, image_at
from seemkit.inference.drawing import panoptic_picture
from seemkit.metrics.miou import IGNORED, MeanIoU
from seemkit.metrics.panoptic import PanopticQuality
from seemkit.nn.context import ImageContext
from seemkit.postprocess.panoptic import panoptic_map
from seemkit.postprocess.semantic import semantic_map
from seemkit.training.module import SeemModule
from seemkit.types import Batch, Panoptic, Size, Target


class PanopticEvaluation(Evaluation):
    """PQ, SQ, RQ (all, things, stuff) and semantic mIoU.

    Args:
        score_threshold: class probability that a query must exceed (0.8 in the reference).
        overlap_threshold: lowest ratio of the pixels that a query wins to the pixels of its mask, 0..1.
    """

    def __init__(self, score_threshold: float = 0.8, overlap_threshold: float = 0.8) -> None:
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold

    def start(self, module: SeemModule) -> None:
        """Start fresh metrics, and compute the class embeddings."""
        self._quality = PanopticQuality(module.vocabulary).to(module.device)
        self._iou = MeanIoU(len(module.vocabulary)).to(module.device)
        with torch.no_grad():
            self._classes = module.network.embed_vocabulary(module.vocabulary)

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Compare the maps of each image with its target at the original size."""
        probabilities, masks = module.network.panoptic_inputs(context, self._classes)
        for index, target in enumerate(batch.targets):
            full = context.restore(masks[index], index)
            with about(target.name):
                check_finite(full)
                found = panoptic_map(
                    probabilities[index], full, module.vocabulary.things, self.score_threshold, self.overlap_threshold
                )
                quality = float(self._quality(found, Panoptic.from_target(target))["pq"])
                self._iou.update(semantic_map(probabilities[index], full), _semantic(target))
            self._note_worst(batch.images[index], target, found, quality)

    def compute(self) -> Mapping[str, Tensor]:
        """Return ``pq``, ``pq_things``, ``pq_stuff``, the same for SQ and RQ, and ``miou``."""
        return {**self._quality.compute(), **self._iou.compute()}

    def _note_worst(self, pixels: Tensor, target: Target, found: Panoptic, quality: float) -> None:
        """Record the image if its own PQ is among the worst; PQ is NaN if no segment is true or predicted."""
        if not math.isnan(quality):
            text = f"PQ of the image {quality:.3f}, {len(found.segments)} segments predicted, {len(target.labels)} true"
            shown = Panoptic(found.ids.cpu(), found.segments), Panoptic.from_target(target)
            self.worst.add(quality, target.name, text, lambda: _side_by_side(pixels, target.size, *shown), PANOPTIC_KEY)


def _side_by_side(pixels: Tensor, size: Size, found: Panoptic, truth: Panoptic) -> Tensor:
    """Return a picture of what was found and of the truth beside it, uint8 [3, H, 2 W + 4]."""
    image = image_at(pixels, size)
    gap = torch.full((3, size.height, 4), 255, dtype=torch.uint8)
    true = Panoptic(truth.ids.cpu(), truth.segments)
    return torch.cat((panoptic_picture(image, found), gap, panoptic_picture(image, true)), dim=2)


def _semantic(target: Target) -> Tensor:
    """Return the class of each pixel, int64 [H, W]; `IGNORED` outside all segments."""
    labels = torch.full(tuple(target.size), IGNORED, device=target.masks.device)
    for mask, label in zip(target.masks, target.labels, strict=True):
        labels[mask] = label
    return labels
