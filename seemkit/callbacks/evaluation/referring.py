"""Referring segmentation: how well a phrase selects the segment that it refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from seemkit.callbacks.evaluation.base import Evaluation, about, check_finite
from seemkit.callbacks.evaluation.first_prompts import first_prompts
from seemkit.callbacks.evaluation.worst_cases import found_and_true
from seemkit.metrics.referring import ReferringIoU, overlaps
from seemkit.nn.context import ImageContext
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Text
from seemkit.training.module import SeemModule
from seemkit.types import Batch, Phrase


class ReferringEvaluation(Evaluation):
    """cIoU, mIoU and precision of phrases, each given alone, overall and by tag.

    Args:
        tags: phrase tags that are also reported separately, as ``referring_ciou_<tag>``.
        helped_by: kinds of visual prompts, for example ``scribble``; each phrase is given again, together with a first
            prompt of the kind on its segment, and reported as ``referring_<kind>_ciou`` and so on.

    Raises:
        InputError: a kind is not installed.
    """

    def __init__(self, tags: Sequence[str] = (), helped_by: Sequence[str] = ()) -> None:
        for kind in helped_by:
            installed().require(kind)
        self.tags = tuple(tags)
        self.kinds: tuple[str | None, ...] = (None, *helped_by)

    def start(self, module: SeemModule) -> None:
        """Start fresh metrics."""
        self._iou = {kind: ReferringIoU(self.tags).to(module.device) for kind in self.kinds}

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Segment by the first phrase of every image, then by the second, and so on."""
        most = max(len(target.phrases) for target in batch.targets)
        for turn in range(most):
            asked = [target.phrases[turn : turn + 1] for target in batch.targets]
            for kind in self.kinds:
                self._ask(kind, module, context, batch, asked)

    def compute(self) -> Mapping[str, Tensor]:
        """Return ``referring_ciou``, ``referring_miou``, ``referring_p50`` etc., by tag, and with visual prompts."""
        found: dict[str, Tensor] = {}
        for kind, metric in self._iou.items():
            prefix = "referring_" if kind is None else f"referring_{kind}_"
            found |= {prefix + name.removeprefix("referring_"): value for name, value in metric.compute().items()}
        return found

    def _ask(
        self,
        kind: str | None,
        module: SeemModule,
        context: ImageContext,
        batch: Batch,
        asked: Sequence[Sequence[Phrase]],
    ) -> None:
        """Add the results of at most one phrase per image."""
        prompts = [
            [
                [Text(phrase.text), *(first_prompts(module, kind, target, phrase.segment) if kind else ())]
                for phrase in phrases
            ]
            for target, phrases in zip(batch.targets, asked, strict=True)
        ]
        selected = module.network.select(module.network.decode(context, prompts))
        masks, owners = selected.masks(), selected.owners
        for index, (target, phrases) in enumerate(zip(batch.targets, asked, strict=True)):
            if not phrases:
                continue
            logits = context.restore(masks[index][owners[index] >= 0], index)
            truth = target.masks[torch.tensor([phrase.segment for phrase in phrases])]
            with about(target.name):
                check_finite(logits)
                self._iou[kind].update(logits > 0, truth, [phrase.tags for phrase in phrases])
            if kind is None:
                self._note_worst(batch.images[index], target.name, phrases[0].text, logits[0] > 0, truth[0])

    def _note_worst(self, pixels: Tensor, image: str, phrase: str, found: Tensor, truth: Tensor) -> None:
        """Record the phrase if its IoU is among the worst."""
        intersection, union = overlaps(found[None], truth[None])
        iou = float(intersection.double() / union.clamp(min=1))
        self.worst.add(iou, image, f"“{phrase}”: IoU {iou:.3f}", lambda: found_and_true(pixels, found, truth))
