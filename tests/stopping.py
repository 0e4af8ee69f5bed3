"""Callbacks that stop a run, or break it, for tests of resuming."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer


class InterruptAfter(Callback):
    """Does what Ctrl-C does, after some optimizer steps: behind a step or in the middle of the next."""

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


class Fault(Callback):
    """Something that happens once to one process of a run, also if the run is started again."""

    def __init__(self, mark: str, step: int, rank: int = 1) -> None:
        self.mark = Path(mark)
        self.step = step
        self.rank = rank

    def is_due(self, trainer: Trainer) -> bool:
        """Whether this is the process and the time; only once."""
        if trainer.global_rank != self.rank or trainer.global_step < self.step or self.mark.exists():
            return False
        self.mark.touch()
        return True


class SignalOnce(Fault):
    """Sends the process what SLURM sends before a job's time is over, in the middle of a step."""

    def on_before_backward(self, trainer: Trainer, *_: Any) -> None:
        if self.is_due(trainer):
            os.kill(os.getpid(), signal.SIGUSR1)


class SignalInValidation(Fault):
    """The same in the middle of a validation."""

    def on_validation_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if self.is_due(trainer):
            os.kill(os.getpid(), signal.SIGUSR1)


class SignalInCheckpoint(Fault):
    """The same while a checkpoint is being made."""

    def on_save_checkpoint(self, trainer: Trainer, *_: Any) -> None:
        if self.is_due(trainer):
            os.kill(os.getpid(), signal.SIGUSR1)


class SignalAtStart(Fault):
    """The same before the first step."""

    def setup(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        if self.is_due(trainer):
            os.kill(os.getpid(), signal.SIGUSR1)


class KillOnce(Fault):
    """Kills the process in the middle of a step."""

    def on_before_backward(self, trainer: Trainer, *_: Any) -> None:
        if self.is_due(trainer):
            os.kill(os.getpid(), signal.SIGKILL)


class RaiseOnce(Fault):
    """Raises in the middle of a step."""

    def on_before_backward(self, trainer: Trainer, *_: Any) -> None:
        if self.is_due(trainer):
            raise LookupError("this process has lost its way")


class HangOnce(Fault):
    """Hangs in the middle of a step."""

    def on_before_backward(self, trainer: Trainer, *_: Any) -> None:
        if self.is_due(trainer):
            time.sleep(600)


class NoRoom(Fault):
    """Lets every larger write of the process fail, as a full disk does."""

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if self.is_due(trainer):
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


class Slow(Callback):
    """Takes its time in each step, so that something can happen to it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_before_backward(self, *_: Any) -> None:
        time.sleep(self.seconds)
