"""Referred regions: how well a region of one image finds the object that looks alike in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lightning import LightningModule, Trainer
from torch import Tensor

from seemkit.callbacks.evaluation.base import Evaluation, about, check_finite
from seemkit.data.coco.base import CocoImages
from seemkit.errors import InputError
from seemkit.interactive.zoom import RoundPlayer
from seemkit.metrics.referring import ReferringIoU
from seemkit.nn.context import ImageContext
from seemkit.prompts.prepared import EncodedRegion
from seemkit.prompts.values import Mask
from seemkit.training.module import SeemModule
from seemkit.types import Appearance, Batch, Segment, Vocabulary


class ReferredRegionEvaluation(Evaluation):
    """cIoU, mIoU and precision of things that are asked for by a region of another image.

    A thing is asked for if no other segment of its image has its class and attributes. The region is the mask of the
    first such thing in the images that follow in the data set, after the last one those from the start. So the result
    does not depend on batches or processes. Each asks for one object, alone. The data set must be in a COCO layout.
    """

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the data set, and start fresh metrics."""
        loader: Any = trainer.test_dataloaders if trainer.testing else trainer.val_dataloaders
        if not isinstance(loader.dataset, CocoImages):
            raise InputError("ReferredRegionEvaluation: needs data in a COCO layout; remove it from the callbacks")
        self._data = loader.dataset
        self._places = {annotation.image_name: place for place, annotation in enumerate(self._data.annotations)}
        super().on_validation_epoch_start(trainer, pl_module)

    on_test_epoch_start = on_validation_epoch_start

    def start(self, module: SeemModule) -> None:
        """Start fresh metrics."""
        self._iou = ReferringIoU().to(module.device)

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Ask for the things of every image."""
        for index, target in enumerate(batch.targets):
            place = self._places[target.name]
            segments = self._data.annotations[place].segments
            for row in unique_things(segments, self._data.vocabulary):
                region = self._region(module, place, segments[row].appearance)
                if region is None:
                    continue
                logits = RoundPlayer(module.network, context.repeat(index, 1)).play([region]).logits
                with about(target.name):
                    check_finite(logits)
                self._iou.update(logits[None] > 0, target.masks[row : row + 1])

    def compute(self) -> Mapping[str, Tensor]:
        """Return ``region_ciou``, ``region_miou``, ``region_p50`` and so on."""
        return {name.replace("referring_", "region_"): value for name, value in self._iou.compute().items()}

    def _region(self, module: SeemModule, place: int, wanted: Appearance) -> EncodedRegion | None:
        """Return the region of the next image that shows a thing of this appearance; None if there is none."""
        count = len(self._data.annotations)
        for other in ((place + step) % count for step in range(1, count)):
            for row, segment in enumerate(self._data.annotations[other].segments):
                if not segment.crowd and segment.appearance == wanted:
                    image, target = self._data[other]
                    view = module.network.encode_image([image.to(module.device)], [target.size])
                    return EncodedRegion(module.network.other_images.describe([Mask(target.masks[row])], view))
        return None


def unique_things(segments: tuple[Segment, ...], vocabulary: Vocabulary) -> list[int]:
    """Return the rows of the things of an image that are no crowds and unlike all its other segments."""
    counts = Counter(segment.appearance for segment in segments)
    return [
        row
        for row, segment in enumerate(segments)
        if vocabulary.things[segment.label] and not segment.crowd and counts[segment.appearance] == 1
    ]
