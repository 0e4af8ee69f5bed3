"""Runs that are asked to stop save, end, and go back into SLURM's queue."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from torch import distributed

from seemkit.cluster import lost_rank, signals
from seemkit.cluster.csv_logger import CSVLogger
from seemkit.cluster.lightning_adapter import (
    batch_counts,
    rewind_batch,
    rewind_validation,
    set_last_checkpoint,
    strategy_timeout,
)
from seemkit.cluster.signals import StopRequest


class Stopped(SystemExit):
    """The end of a run that was asked to stop, raised by all processes behind the same batch.

    Attributes:
        request: what was asked for.
        saved: the checkpoint to go on from, or None.
    """

    def __init__(self, request: StopRequest, saved: str | None) -> None:
        super().__init__(128 + request.signal)
        self.request = request
        self.saved = saved


class Requeue(Callback):
    """Ends a run between two batches when a signal asks for it, and saves ``last.ckpt`` when it does.

    SIGUSR1 asks for a checkpoint and a new place in SLURM's queue, SIGTERM and Ctrl-C for a checkpoint; a second Ctrl-C
    ends a run at once. The processes of a run agree before each batch, so that all save together; `seemkit fit` puts
    the job into the queue when `Stopped` comes out of the trainer. In the middle of a validation the checkpoint is one
    from before it, and the validation begins anew, unless no training is left behind it.

    An error in a batch of a single process saves too. Where there are several, the others would not take part; then the
    error gets a note that names the process at fault (`seemkit.cluster.lost_rank`).

    The checkpoint is that of the first `ModelCheckpoint` with ``save_last``, or of the first at all; without one,
    nothing is saved. The command line adds this callback to every run, as the last one.
    """

    def __init__(self) -> None:
        self._group: distributed.ProcessGroup | None = None  # on the CPU, so that no one waits for a GPU
        self._started = False
        self._resumed_at = -1
        self._evaluated = self._evaluated_together = 0
        self._in_validation = False  # between its first and its last batch
        self._averaged = False  # whether averaged weights are in the place of those in training

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Opens the line on which the processes agree."""
        if stage == "fit" and trainer.world_size > 1 and self._group is None:
            # a little less than the strategy's own timeout: that of NCCL ends a process without a word
            group = distributed.new_group(backend="gloo", timeout=0.9 * strategy_timeout(trainer))
            assert isinstance(group, distributed.ProcessGroup)  # this process is in it
            self._group = group
            lost_rank.introduce()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Lets the files of measurements go on behind the checkpoint."""
        if trainer.state.fn == "fit":
            self._resumed_at = checkpoint["global_step"]
            for logger in trainer.loggers:
                if isinstance(logger, CSVLogger):
                    logger.go_on(checkpoint["global_step"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Averages the weights of a run that had all its steps, as its end did; Lightning skips such an end."""
        if self._resumed_at >= trainer.estimated_stepping_batches:
            for callback in _averages(trainer):
                callback.on_train_end(trainer, pl_module)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes over the signals, which Lightning has by now and gives back at the end."""
        signals.note(StopRequest)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes over the signals, as before. From here on there is something to save."""
        signals.note(StopRequest)
        self._started = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Stops here if any process was asked to; gradients that are being accumulated would be lost."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._stop_if_asked(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Saves behind the last step of the run, so that the test that follows can be stopped, too."""
        if trainer.global_step >= trainer.estimated_stepping_batches:
            self._save(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Learns how many batches every process has; some have one fewer."""
        self._evaluated, self._evaluated_together = 0, self._least(sum(trainer.num_val_batches))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes that averaged weights are in place, if there are any: their callback came before."""
        self._in_validation = self._averaged = True

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stops here if any process was asked to."""
        self._evaluated += 1
        if self._started and self._evaluated <= self._evaluated_together:
            done = batch_counts(trainer).current.completed
            if done % trainer.accumulate_grad_batches == 0:
                self._stop_if_asked(trainer, pl_module)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object, **__: object) -> None:
        """Notes the end of the batches, behind which averaged weights are taken out again."""
        self._in_validation = self._averaged = self._evaluated < sum(trainer.num_val_batches)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As before a validation; behind a training, the signals are taken over, too."""
        self._evaluated, self._evaluated_together = 0, self._least(sum(trainer.num_test_batches))
        if self._resumed_at >= 0 or self._started:
            signals.note(StopRequest)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stops here if any process was asked to; the checkpoint is that of the end of training."""
        self._evaluated += 1
        if self._evaluated <= self._evaluated_together and (request := self._agreed()):
            keeper = _keeper(trainer)
            raise Stopped(request, keeper.last_model_path or None if keeper else None)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the measurements so far, and make the checkpoint one from before the current batch and validation."""
        for logger in trainer.loggers:
            logger.save()
        rewind_batch(checkpoint)
        if self._in_validation:
            rewind_validation(checkpoint)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Saves if no other process has to take part; else finds out which one is at fault."""
        if isinstance(exception, Stopped):
            return
        if trainer.world_size > 1:
            if self._group is not None and (fault := lost_rank.call(exception)):
                exception.add_note(fault)
        elif self._started and (trainer.training or self._in_validation):
            self._save(trainer, pl_module)

    def _stop_if_asked(self, trainer: Trainer, module: LightningModule) -> None:
        if request := self._agreed():
            raise Stopped(request, self._save(trainer, module))

    def _save(self, trainer: Trainer, module: LightningModule) -> str | None:
        """The checkpoint, written by all processes together."""
        keeper = _keeper(trainer)
        if keeper is None or keeper.dirpath is None or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return None
        if self._averaged:
            self._averaged = False
            for callback in _averages(trainer):
                callback.on_validation_epoch_end(trainer, module)  # puts the weights in training back
        # in the checkpoint too; otherwise averaged weights would overwrite those in training at the end of the run
        set_last_checkpoint(keeper, keeper.last_model_path or self._free_path(trainer, keeper))
        trainer.save_checkpoint(keeper.last_model_path)
        return keeper.last_model_path

    def _free_path(self, trainer: Trainer, keeper: ModelCheckpoint) -> str:
        """``last.ckpt``, or ``last-v1.ckpt`` and so on, where an earlier run in the folder has left one."""
        names = itertools.chain([""], (f"-v{version}" for version in itertools.count(keeper.STARTING_VERSION)))
        paths = (f"{keeper.dirpath}/{keeper.CHECKPOINT_NAME_LAST}{name}{keeper.FILE_EXTENSION}" for name in names)
        return str(trainer.strategy.broadcast(next(path for path in paths if not Path(path).exists())))

    def _agreed(self) -> StopRequest:
        """What any of the processes was asked for."""
        return StopRequest(self._reduced(signals.noted(), distributed.ReduceOp.MAX))

    def _least(self, count: float) -> int:
        return self._reduced(int(min(count, 2**31)), distributed.ReduceOp.MIN)

    def _reduced(self, value: int, operation: distributed.ReduceOp.RedOpType) -> int:
        if self._group is None:
            return int(value)
        tensor = torch.tensor(int(value))
        distributed.all_reduce(tensor, op=operation, group=self._group)
        return int(tensor)


def _keeper(trainer: Trainer) -> ModelCheckpoint | None:
    """The callback whose last checkpoint it is."""
    keepers = [keeper for keeper in trainer.checkpoint_callbacks if isinstance(keeper, ModelCheckpoint)]
    return next((keeper for keeper in keepers if keeper.save_last), keepers[0] if keepers else None)


def _averages(trainer: Trainer) -> list[WeightAveraging]:
    return [callback for callback in trainer.callbacks if isinstance(callback, WeightAveraging)]  # type: ignore[attr-defined]


def slurm_job() -> str | None:
    """The SLURM job of this process, as ``scontrol`` names it."""
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def requeue(job: str) -> None:
    """Puts the job back into the queue, which ends it where it runs now, often before this function returns.

    Raises:
        OSError: it cannot be done; the message says why.
    """
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"scontrol requeue {job}: {(done.stdout + done.stderr).strip()}")
