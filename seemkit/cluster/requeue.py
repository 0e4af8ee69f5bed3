"""Stopping of a run on request: it saves a checkpoint, ends, and can return to SLURM's queue."""

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
    """The end of a run that was asked to stop, raised by all processes after the same batch.

    Attributes:
        request: the request to stop.
        saved: path of the checkpoint to resume from, or None.
    """

    def __init__(self, request: StopRequest, saved: str | None) -> None:
        super().__init__(128 + request.signal)
        self.request = request
        self.saved = saved


class Requeue(Callback):
    """Saves ``last.ckpt`` and stops a run between two batches when a signal asks for it.

    SIGUSR1 asks for a checkpoint and a return to SLURM's queue; SIGTERM and Ctrl-C ask for a checkpoint only. A second
    Ctrl-C ends the run at once. The processes of a run agree before each batch, so that all save together. The trainer
    then raises `Stopped`, and after SIGUSR1, `seemkit fit` requeues the job. A checkpoint saved during a validation is
    set to before this validation. A resumed run then repeats the validation, unless no training is left.

    If a run has a single process, an error in a batch also saves a checkpoint. If it has several, the others would not
    take part; instead, the error gets a note that names the process at fault (`seemkit.cluster.lost_rank`).

    The checkpoint is that of the first `ModelCheckpoint` with ``save_last``, or else of the first `ModelCheckpoint`.
    Without one, nothing is saved. The command line adds this callback to every run, as the last one.
    """

    def __init__(self) -> None:
        self._group: distributed.ProcessGroup | None = None  # on the CPU, so that no process waits for a GPU
        self._started = False
        self._resumed_at = -1
        self._evaluated = self._evaluated_together = 0
        self._in_validation = False  # between its first and last batch
        self._averaged = False  # whether averaged weights replace those in training

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Create the process group in which the processes agree."""
        if stage == "fit" and trainer.world_size > 1 and self._group is None:
            # a little less than the strategy's own timeout: NCCL's ends a process without a message
            group = distributed.new_group(backend="gloo", timeout=0.9 * strategy_timeout(trainer))
            assert isinstance(group, distributed.ProcessGroup)  # this process is in it
            self._group = group
            lost_rank.introduce()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let the CSV loggers continue after the step of the checkpoint."""
        if trainer.state.fn == "fit":
            self._resumed_at = checkpoint["global_step"]
            for logger in trainer.loggers:
                if isinstance(logger, CSVLogger):
                    logger.go_on(checkpoint["global_step"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Use the averaged weights if no steps are left; Lightning then skips the end of training, which does so."""
        if self._resumed_at >= trainer.estimated_stepping_batches:
            for callback in _averages(trainer):
                callback.on_train_end(trainer, pl_module)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the signals from Lightning, which has claimed them by now and releases them at the end."""
        signals.note(StopRequest)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the signals, as in `on_sanity_check_start`; from now on, a checkpoint can be saved."""
        signals.note(StopRequest)
        self._started = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Stop here if any process was asked to, but not while gradients accumulate, because they would be lost."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._stop_if_asked(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Save after the last step of the run, so that the test that follows can be stopped too."""
        if trainer.global_step >= trainer.estimated_stepping_batches:
            self._save(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the number of batches that every process has; some processes have one more."""
        self._evaluated, self._evaluated_together = 0, self._least(sum(trainer.num_val_batches))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that averaged weights, if any, are in use: their callback ran before this one."""
        self._in_validation = self._averaged = True

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stop here if any process was asked to, but not while gradients accumulate."""
        self._evaluated += 1
        if self._started and self._evaluated <= self._evaluated_together:
            done = batch_counts(trainer).current.completed
            if done % trainer.accumulate_grad_batches == 0:
                self._stop_if_asked(trainer, pl_module)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object, **__: object) -> None:
        """Note the last batch, after which the weights in training replace averaged weights again."""
        self._in_validation = self._averaged = self._evaluated < sum(trainer.num_val_batches)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the number of batches that every process has, and take over the signals if the test follows training."""
        self._evaluated, self._evaluated_together = 0, self._least(sum(trainer.num_test_batches))
        if self._resumed_at >= 0 or self._started:
            signals.note(StopRequest)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stop here if any process was asked to; the checkpoint is the one from the end of training."""
        self._evaluated += 1
        if self._evaluated <= self._evaluated_together and (request := self._agreed()):
            keeper = _keeper(trainer)
            raise Stopped(request, keeper.last_model_path or None if keeper else None)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the measurements so far, and set the checkpoint to before the current batch and validation."""
        for logger in trainer.loggers:
            logger.save()
        rewind_batch(checkpoint)
        if self._in_validation:
            rewind_validation(checkpoint)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save if this is the only process; otherwise find out which process is at fault."""
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
        """Save the checkpoint with all processes, and return its path; None if the run saves no checkpoints."""
        keeper = _keeper(trainer)
        if keeper is None or keeper.dirpath is None or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return None
        if self._averaged:
            self._averaged = False
            for callback in _averages(trainer):
                callback.on_validation_epoch_end(trainer, module)  # restores the weights in training
        # set before saving, so that the checkpoint has the path too; otherwise the averaged weights would overwrite the
        # file at the end of the run
        set_last_checkpoint(keeper, keeper.last_model_path or self._free_path(trainer, keeper))
        trainer.save_checkpoint(keeper.last_model_path)
        return keeper.last_model_path

    def _free_path(self, trainer: Trainer, keeper: ModelCheckpoint) -> str:
        """Return the path of ``last.ckpt``, or ``last-v1.ckpt`` and so on if the folder has one of an earlier run."""
        names = itertools.chain([""], (f"-v{version}" for version in itertools.count(keeper.STARTING_VERSION)))
        paths = (f"{keeper.dirpath}/{keeper.CHECKPOINT_NAME_LAST}{name}{keeper.FILE_EXTENSION}" for name in names)
        return str(trainer.strategy.broadcast(next(path for path in paths if not Path(path).exists())))

    def _agreed(self) -> StopRequest:
        """Return the highest request that any process received."""
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
    """Return the callback that owns the last checkpoint."""
    keepers = [keeper for keeper in trainer.checkpoint_callbacks if isinstance(keeper, ModelCheckpoint)]
    return next((keeper for keeper in keepers if keeper.save_last), keepers[0] if keepers else None)


def _averages(trainer: Trainer) -> list[WeightAveraging]:
    return [callback for callback in trainer.callbacks if isinstance(callback, WeightAveraging)]  # type: ignore[attr-defined]


def slurm_job() -> str | None:
    """Return the SLURM job of this process, as ``scontrol`` names it; None outside SLURM."""
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def requeue(job: str) -> None:
    """Put the job back into the queue, which ends its current run, often before this function returns.

    Raises:
        OSError: ``scontrol`` failed; the message says why.
    """
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"scontrol requeue {job}: {(done.stdout + done.stderr).strip()}")
