"""Interactive segmentation: how many clicks until a mask is good?"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from seemkit.callbacks.evaluation import Evaluation
from seemkit.interactive.clicker import centre_click
from seemkit.interactive.rollout import Rollout
from seemkit.interactive.user import MIN_AREA
from seemkit.metrics.interactive import InteractiveIoU
from seemkit.module import SeemModule
from seemkit.nn.context import ImageContext
from seemkit.types import Batch

GOOD_ENOUGH = 0.9
"""All objects of a batch above this IoU end its rounds; their last IoU stands for the rest (reference protocol)."""


class InteractiveEvaluation(Evaluation):
    """Number of clicks (NoC), failures and IoU after each click, for the things of each image.

    All things of an image are segmented in one call. The first click is the pixel farthest from the object's border,
    later ones are in the middle of the largest error.

    Args:
        clicks: most clicks an object; one that never gets there counts as this many.
    """

    def __init__(self, clicks: int = 20) -> None:
        self.clicks = clicks

    def start(self, module: SeemModule) -> None:
        """Makes the metric."""
        self._iou = InteractiveIoU(self.clicks).to(module.device)

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Segments the things of every image, click by click."""
        things = torch.tensor(module.vocabulary.things, device=module.device)
        masks = [
            target.masks[things[target.labels] & ~target.crowd & (target.masks.flatten(1).sum(1) >= MIN_AREA)]
            for target in batch.targets
        ]
        if not sum(map(len, masks)):
            return
        rollout = Rollout(module.network, context, masks, [[[centre_click(mask)] for mask in rows] for rows in masks])
        rounds: list[Tensor] = []
        for turn in range(self.clicks):
            answer = rollout.answer()
            rounds.append(torch.cat([_iou(logits > 0, rows) for logits, rows in zip(answer, masks, strict=True)]))
            if bool((rounds[-1] > GOOD_ENOUGH).all()):
                rounds += [rounds[-1]] * (self.clicks - turn - 1)
                break
            rollout.correct(answer)
        self._iou.update(torch.stack(rounds, dim=1))

    def compute(self) -> Mapping[str, Tensor]:
        """``noc_85``, ``nof_85``, ``iou_1click`` and so on."""
        return {name: value for name, value in self._iou.compute().items() if value.ndim == 0}


def _iou(found: Tensor, truth: Tensor) -> Tensor:
    """The IoU of each pair of masks [P, H, W]."""
    overlap = (found & truth).flatten(1).sum(dim=1)
    return overlap / (found | truth).flatten(1).sum(dim=1).clamp(min=1)
