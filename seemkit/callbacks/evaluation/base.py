"""The base class of evaluations: a callback that owns its metrics and decodes what it needs from encoded images."""

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
    """Base class of callbacks that compute metrics in validation and test.

    The module encodes each batch once, and every evaluation decodes from the result. Metrics are reduced over
    processes. Validation results are logged as ``val/<name>``, test results as ``test/<name>``.

    Attributes:
        results: last result of `compute`, scalars and curves.
        worst: worst cases of this process, for the report; empty if the evaluation collects none.
    """

    results: Mapping[str, Tensor]
    worst: WorstCases

    @abstractmethod
    def start(self, module: SeemModule) -> None:
        """Start fresh metrics; called once before the first batch."""

    @abstractmethod
    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Add images of one size to the metrics; a batch of several sizes is passed in parts."""

    @abstractmethod
    def compute(self) -> Mapping[str, Tensor]:
        """Return the results over all batches and processes.

        Results are fractions, 0..1, unless the name says otherwise. Scalars are logged. Curves, which have one
        dimension, appear only in the report.
        """

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start fresh metrics."""
        self._start(trainer, seem(pl_module))

    @torch.no_grad()
    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, *_: object, **__: object
    ) -> None:
        """Add the batch to the metrics."""
        with like_a_step(trainer):
            for context, part in encoded(outputs):
                self.update(seem(pl_module), context, part)

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the results."""
        self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the results."""
        self._log(pl_module, "test")

    def _start(self, trainer: Trainer, module: SeemModule) -> None:
        name = type(self).__name__
        if [type(callback) for callback in trainer.callbacks].count(type(self)) > 1:  # type: ignore[attr-defined]
            raise InputError(
                f"trainer.callbacks: {name} is listed twice, and both log under the same names; run a test for each"
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
    """Use the precision of the module's steps, which Lightning does not apply to callbacks."""
    with trainer.precision_plugin.forward_context():
        yield


@contextmanager
def about(name: str) -> Iterator[None]:
    """Turn a ValueError about an image into an InputError that begins with the image's name."""
    try:
        yield
    except ValueError as error:  # InputError is one
        raise InputError(f"{name}: {error}") from error


def check_finite(logits: Tensor) -> None:
    """Raise InputError unless all numbers are finite.

    Raises:
        InputError: a number is NaN or infinite.
    """
    if not bool(logits.isfinite().all()):
        raise InputError("the network predicts numbers that are not finite; check its weights and its precision")


def seem(module: LightningModule) -> SeemModule:
    """Return the module as a `SeemModule`, because Lightning's hooks declare a more general type."""
    assert isinstance(module, SeemModule)
    return module


def encoded(outputs: object) -> list[tuple[ImageContext, Batch]]:
    """Return the encoded images in the output of a `SeemModule` step, each with its part of the batch."""
    assert isinstance(outputs, dict)
    return outputs["encoded"]
