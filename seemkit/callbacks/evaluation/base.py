"""The frame of an evaluation: a callback that owns its metrics and decodes what it needs from encoded images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from seemkit.callbacks.evaluation.worst_cases import WorstCases
from seemkit.errors import InputError
from seemkit.nn.context import ImageContext
from seemkit.training.module import SeemModule
from seemkit.types import Batch


class Evaluation(Callback, ABC):
    """Measures something in validation and test.

    The module encodes each batch once; every evaluation decodes from that. Metrics reduce over processes by themselves.
    Validation values are logged as ``val/<name>``, test values as ``test/<name>``.

    Attributes:
        results: what `compute` gave last, scalars and curves.
        worst: the images in which this process found the worst, for the report; an evaluation that has none leaves it
            empty.
    """

    results: Mapping[str, Tensor]
    worst: WorstCases

    @abstractmethod
    def start(self, module: SeemModule) -> None:
        """Makes fresh metrics, once before the first batch."""

    @abstractmethod
    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Takes in images of one size; a batch of several comes in parts."""

    @abstractmethod
    def compute(self) -> Mapping[str, Tensor]:
        """The results over all batches and processes; fractions 0..1 unless their name says otherwise.

        Scalars are logged; curves, of one dimension, go into the report only.
        """

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts."""
        self._start(trainer, seem(pl_module))

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts."""
        self._start(trainer, seem(pl_module))

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
        with like_a_step(trainer):
            for context, part in encoded(outputs):
                self.update(seem(pl_module), context, part)

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
        with like_a_step(trainer):
            for context, part in encoded(outputs):
                self.update(seem(pl_module), context, part)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the results."""
        self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the results."""
        self._log(pl_module, "test")

    def _start(self, trainer: Trainer, module: SeemModule) -> None:
        name = type(self).__name__
        if [type(callback) for callback in trainer.callbacks].count(type(self)) > 1:  # type: ignore[attr-defined]
            raise InputError(
                f"trainer.callbacks: {name} is there twice, but results have one name; run a test for each"
            )
        self.results, self.worst = {}, WorstCases()
        with like_a_step(trainer):
            self.start(module)

    def _log(self, module: LightningModule, stage: str) -> None:
        self.results = self.compute()
        for name, value in self.results.items():
            if value.ndim == 0:
                shown = stage == "val" and name in PROGRESS
                module.log(f"{stage}/{name}", value.float(), prog_bar=shown, rank_zero_only=True)


PROGRESS = ("pq", "miou", "referring_ciou", "noc_85", "iou_1click")
"""Results that the progress bar shows."""


@contextmanager
def like_a_step(trainer: Trainer) -> Iterator[None]:
    """The precision of the module's steps, which Lightning does not give to callbacks."""
    with trainer.precision_plugin.forward_context():
        yield


@contextmanager
def about(name: str) -> Iterator[None]:
    """Errors about what was found in an image begin with its name."""
    try:
        yield
    except ValueError as error:  # InputError is one
        raise InputError(f"{name}: {error}") from error


def check_finite(logits: Tensor) -> None:
    """Nothing, if all numbers are finite.

    Raises:
        InputError: else.
    """
    if not bool(logits.isfinite().all()):
        raise InputError("the network predicts numbers that are not finite; its weights or its precision are at fault")


def seem(module: LightningModule) -> SeemModule:
    """The module, whose type Lightning forgot."""
    assert isinstance(module, SeemModule)
    return module


def encoded(outputs: object) -> list[tuple[ImageContext, Batch]]:
    """The encoded images that a step of `SeemModule` returned, with the parts of the batch that they are."""
    assert isinstance(outputs, dict)
    return outputs["encoded"]
