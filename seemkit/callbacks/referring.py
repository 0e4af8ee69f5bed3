"""Referring segmentation: does a phrase find the segment that it means?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from seemkit.callbacks.evaluation import Evaluation
from seemkit.inference.resize import restore
from seemkit.metrics.referring import ReferringIoU
from seemkit.module import SeemModule
from seemkit.nn.context import ImageContext
from seemkit.prompts.values import Text
from seemkit.types import Batch


class ReferringEvaluation(Evaluation):
    """cIoU, mIoU and precision of phrases, each asked on its own, overall and by tag.

    Args:
        tags: phrase tags that are reported apart too, as ``referring_ciou_<tag>``.
    """

    def __init__(self, tags: Sequence[str] = ()) -> None:
        self.tags = tuple(tags)

    def start(self, module: SeemModule) -> None:
        """Makes the metric."""
        self._iou = ReferringIoU(self.tags).to(module.device)

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Asks the first phrase of every image, then the second, and so on."""
        most = max(len(target.phrases) for target in batch.targets)
        for turn in range(most):
            prompts = [[[Text(p.text)] for p in target.phrases[turn : turn + 1]] for target in batch.targets]
            decoded = module.network.decode(context, prompts)
            answer = module.network.answer(decoded)
            masks, owners = answer.masks(), answer.owners
            for index, target in enumerate(batch.targets):
                asked = target.phrases[turn : turn + 1]
                if not asked:
                    continue
                logits = restore(masks[index][owners[index] >= 0], context.padded, context.sizes[index], target.size)
                truth = target.masks[torch.tensor([phrase.segment for phrase in asked])]
                self._iou.update(logits > 0, truth, [phrase.tags for phrase in asked])

    def compute(self) -> Mapping[str, Tensor]:
        """``referring_ciou``, ``referring_miou``, ``referring_p50`` and so on, and by tag."""
        return self._iou.compute()
