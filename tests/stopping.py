"""A callback that interrupts a run, for tests of resuming."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer


class InterruptAfter(Callback):
    """Does what Ctrl-C does, after some optimiser steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.steps:
            raise KeyboardInterrupt
