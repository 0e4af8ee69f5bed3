"""Video object segmentation: how well objects are tracked from the first frame on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float64
from torch import Tensor

from seemkit.callbacks.evaluation.base import Evaluation, about, check_finite
from seemkit.callbacks.evaluation.first_prompts import first_prompts
from seemkit.errors import InputError
from seemkit.inference.tracker import Tracker
from seemkit.metrics.video import VideoQuality, contour_accuracy, region_similarity
from seemkit.nn.context import ImageContext
from seemkit.postprocess.object_ids import object_ids, object_masks
from seemkit.prompts.registry import installed
from seemkit.training.module import SeemModule
from seemkit.types import Batch


class VideoEvaluation(Evaluation):
    """J and F of the objects of each sequence, as DAVIS scores its semi-supervised task (arXiv 1704.00675).

    Batches are single frames in order, one sequence after another; `Target.name` is "SEQUENCE/FRAME". All frames of a
    sequence have the same rows of masks, one per object. Objects that the first frame shows are prompted there and
    tracked; the others are scored as never found. The first and the last frame of a sequence are not scored, so
    sequences of two frames or without objects do not count.

    Args:
        prompt: kind of the prompt for an object in the first frame, for example ``"mask"``, ``"point"`` (the innermost
            pixel) or ``"box"``.
        click: see `Tracker`; the paper uses False.

    Raises:
        InputError: the kind is not installed.
    """

    def __init__(self, prompt: str = "mask", click: bool = True) -> None:
        installed().require(prompt)
        self.prompt = prompt
        self.click = click

    def start(self, module: SeemModule) -> None:
        """Start a fresh metric."""
        self._quality = VideoQuality().to(module.device)
        self._sequence: str | None = None
        self._scores: list[tuple[Float64[Tensor, " N"], Float64[Tensor, " N"]]] = []

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Start to track the objects of a sequence in its first frame; track and score them in the others.

        Raises:
            InputError: the batch has several frames, the kind gives no prompt for an object, or a mask is not finite.
        """
        if len(batch) != 1:
            raise InputError(f"video: a batch of {len(batch)} frames; set the data's batch size to 1")
        target = batch.targets[0]
        sequence = target.name.rpartition("/")[0]
        if sequence != self._sequence:
            self._finish()
            self._sequence = sequence
            with about(target.name):
                self._begin(module, context, batch)
        else:
            with about(target.name):
                masks = self._tracker.step(context, batch.images[0])
                check_finite(masks)
            found = torch.zeros_like(target.masks)
            found[self._given] = object_masks(object_ids(masks), len(masks)).to(found.device)
            self._scores.append((region_similarity(found, target.masks), contour_accuracy(found, target.masks)))

    def compute(self) -> Mapping[str, Tensor]:
        """Return ``jf_mean``, ``j_mean``, ``j_recall``, ``j_decay`` and the same for F, as means over objects."""
        self._finish()
        return self._quality.compute()

    def _begin(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        target = batch.targets[0]
        self._given = target.masks.flatten(1).any(dim=1)
        rows = self._given.nonzero()[:, 0].tolist()
        self._tracker = Tracker(module.network, click=self.click)
        objects = [first_prompts(module, self.prompt, target, row) for row in rows]
        self._tracker.add(context, objects, batch.images[0])
        check_finite(self._tracker.masks)

    def _finish(self) -> None:
        """Add the scores of the finished sequence to the metric, without its last frame."""
        scored, self._scores, self._sequence = self._scores[:-1], [], None
        if scored and len(scored[0][0]):
            self._quality.update(
                *(torch.stack(values).to(self._quality.device) for values in zip(*scored, strict=True))
            )
