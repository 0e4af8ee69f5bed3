"""A callback that ends a run early, for tests of resuming."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer


class StopAfter(Callback):
    """Stops after some optimiser steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.steps
