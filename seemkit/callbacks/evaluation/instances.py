"""Average precision of the things that the object queries find."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from seemkit.callbacks.evaluation.base import Evaluation, about, check_finite
from seemkit.metrics.average_precision import AveragePrecision
from seemkit.nn.context import ImageContext
from seemkit.postprocess.instance import instances
from seemkit.training.module import SeemModule
from seemkit.types import Batch


class InstanceEvaluation(Evaluation):
    """AP and AR of instance masks and of their bounding boxes, as COCO's tool computes them.

    Args:
        limit: maximum number of instances per image (COCO: 100).
    """

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit

    def start(self, module: SeemModule) -> None:
        """Start a fresh metric, and compute the class embeddings."""
        self._precision = AveragePrecision(module.vocabulary).to(module.device)
        with torch.no_grad():
            self._classes = module.network.embed_vocabulary(module.vocabulary)

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Add the instances of each image at its original size."""
        probabilities, masks = module.network.panoptic_inputs(context, self._classes)
        for index, target in enumerate(batch.targets):
            enlarge = partial(context.restore, image=index)
            with about(target.name):
                check_finite(masks[index])
                found = instances(probabilities[index], masks[index], module.vocabulary.things, self.limit, enlarge)
                self._precision.update(target.name, found, target)

    def compute(self) -> Mapping[str, Tensor]:
        """Return ``ap``, ``ap_50``, ``ap_small``, ``ar_100`` and so on; ``box_ap`` and so on for boxes."""
        return self._precision.compute()
