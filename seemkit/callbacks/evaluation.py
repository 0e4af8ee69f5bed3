"""The frame of an evaluation: a callback that owns its metrics and decodes what it needs from encoded images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from seemkit.module import SeemModule
from seemkit.nn.context import ImageContext
from seemkit.types import Batch


class Evaluation(Callback, ABC):
    """Measures something in validation and test.

    The module encodes each batch once; every evaluation decodes from that. Metrics reduce over processes by themselves.
    Validation values are logged as ``val/<name>``, test values as ``test/<name>``.
    """

    @abstractmethod
    def start(self, module: SeemModule) -> None:
        """Makes fresh metrics, once before the first batch."""

    @abstractmethod
    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Takes in one batch."""

    @abstractmethod
    def compute(self) -> Mapping[str, Tensor]:
        """The results over all batches and processes; fractions 0..1 unless their name says otherwise."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts."""
        self.start(seem(pl_module))

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts."""
        self.start(seem(pl_module))

    @torch.no_grad()
    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Takes in the batch."""
        self.update(seem(pl_module), *unpack(outputs, batch))

    @torch.no_grad()
    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Takes in the batch."""
        self.update(seem(pl_module), *unpack(outputs, batch))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the results."""
        self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the results."""
        self._log(pl_module, "test")

    def _log(self, module: LightningModule, stage: str) -> None:
        for name, value in self.compute().items():
            shown = stage == "val" and name in PROGRESS
            module.log(f"{stage}/{name}", value.float(), prog_bar=shown, rank_zero_only=True)


PROGRESS = ("pq", "miou", "referring_ciou", "noc_85", "iou_1click")
"""Results that the progress bar shows."""


def seem(module: LightningModule) -> SeemModule:
    """The module, whose type Lightning forgot."""
    assert isinstance(module, SeemModule)
    return module


def unpack(outputs: object, batch: object) -> tuple[ImageContext, Batch]:
    """The encoded images that a step of `SeemModule` returned, and its batch."""
    assert isinstance(outputs, dict)
    assert isinstance(batch, Batch)
    return outputs["context"], batch
