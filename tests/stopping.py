"""A callback that interrupts a run, for tests of resuming."""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

from lightning import Callback, LightningModule, Trainer


class InterruptAfter(Callback):
    """Does what Ctrl-C does, after some optimiser steps: behind a step or in the middle of the next."""

    def __init__(self, steps: int, within: bool) -> None:
        self.steps = steps
        self.within = within

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self.within and trainer.global_step == self.steps:
            raise KeyboardInterrupt

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not self.within and trainer.global_step == self.steps:
            raise KeyboardInterrupt


class TerminateAfter(Callback):
    """Sends the process a SIGTERM in the middle of a step, so that it ends behind that step."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_before_backward(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.steps - 1:
            os.kill(os.getpid(), signal.SIGTERM)


class NoRoomAfter(Callback):
    """Lets every larger write fail after some optimiser steps, as a full disk does."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.steps:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
