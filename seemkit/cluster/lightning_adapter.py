"""Everything that seemkit uses of Lightning and torch beyond their public interfaces, in one place.

Each function states what it is for. ``tests/cluster/test_lightning_adapter.py`` fails if a library changes what is used
here. Lightning is imported for types only, so that light code can use this module too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch._C._distributed_c10d import Store  # torch has no public name for it
from torch.distributed import distributed_c10d

if TYPE_CHECKING:
    from lightning import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint


def is_first_process() -> bool:
    """Return whether this process writes files and prints, before and after there is a trainer."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0)) == 0


def batch_counts(trainer: Trainer) -> Any:  # noqa: ANN401 (Lightning annotates a base class that lacks the counts)
    """Return Lightning's counts of training batches, of this epoch (`current`) and of all (`total`)."""
    return trainer.fit_loop.epoch_loop.batch_progress


def restore_loader_place(trainer: Trainer) -> None:
    """Give the loader its place in the epoch back.

    Lightning does so when it makes the loader. Counting the steps of an epoch for the schedule makes the loader before
    the checkpoint is read, however.
    """
    trainer.fit_loop._load_combined_loader_states()


def set_logged_step(trainer: Trainer, step: int) -> None:
    """Set the step that loggers get: after an interruption, Lightning's own count can be one off."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = step


def strategy_timeout(trainer: Trainer) -> timedelta:
    """Return how long processes wait for each other; 30 minutes, torch's default, unless the strategy states it."""
    return getattr(trainer.strategy, "_timeout", None) or timedelta(minutes=30)


def set_last_checkpoint(keeper: ModelCheckpoint, path: str) -> None:
    """Tell a `ModelCheckpoint` that it has saved `path`, so that it does not overwrite it at the end of training."""
    keeper.last_model_path = path
    keeper._last_checkpoint_saved = path


def rewind_loaders(checkpoint: dict[str, Any], done: int) -> None:
    """Set the loaders' place in a checkpoint to the last finished batch: Ctrl-C can come in the middle of a step.

    Args:
        checkpoint: Lightning's.
        done: number of finished batches of the epoch.
    """
    for loader in checkpoint["loops"]["fit_loop"]["state_dict"].get("combined_loader", ()):
        loader["batches"] = min(loader["batches"], done)


def rewind_batch(checkpoint: dict[str, Any]) -> None:
    """Set the counts of a checkpoint to before the current batch; one too many would move later validations."""
    training = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    if training["total"]["ready"] > training["total"]["processed"]:
        for counts in (training["total"], training["current"]):
            counts.update(ready=counts["processed"], started=counts["processed"])


def rewind_validation(checkpoint: dict[str, Any]) -> None:
    """Set a checkpoint that is saved during a validation to its first batch, so that the validation is repeated."""
    validation = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
    done = validation["total"]["completed"] - validation["current"]["completed"]
    for counts, before in ((validation["total"], done), (validation["current"], 0)):
        counts.update(ready=before + 1, started=before + 1, processed=before, completed=before)


def meeting_store() -> Store:
    """Return the store at which the processes of a run met."""
    return distributed_c10d._get_default_store()


def cpu_multiplies_bfloat16() -> bool:
    """Return whether the CPU multiplies bfloat16 matrices in hardware (AMX or AVX512-BF16)."""
    # torch.cpu.get_capabilities() tells the same, but older versions do not have it
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


class ParseOnly:
    """A mixin for a `LightningCLI` that reads its command line, and builds and runs nothing."""

    def instantiate_classes(self) -> None:
        """Build nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""
