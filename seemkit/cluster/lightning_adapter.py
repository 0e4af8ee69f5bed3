"""All uses of Lightning and torch beyond their public interfaces.

Each function states its purpose. ``tests/cluster/test_lightning_adapter.py`` fails if a library changes what is used
here. At import, Lightning is needed for types only, so that light code can use this module too.
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
    from lightning.pytorch.cli import LightningCLI


def is_first_process() -> bool:
    """Return whether this process is the one that writes files and prints, with or without a trainer."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0)) == 0


def batch_counts(trainer: Trainer) -> Any:  # noqa: ANN401 (Lightning annotates a base class that lacks the counts)
    """Return Lightning's counts of training batches, of this epoch (`current`) and of all epochs (`total`)."""
    return trainer.fit_loop.epoch_loop.batch_progress


def restore_loader_place(trainer: Trainer) -> None:
    """Restore the loader's place in the epoch.

    Lightning does so when it creates the loader. However, counting the steps of the run for the schedule creates the
    loader before the checkpoint is read.
    """
    trainer.fit_loop._load_combined_loader_states()


def set_logged_step(trainer: Trainer, step: int) -> None:
    """Set the step that loggers get; after an interruption, Lightning's own count can be off by one."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = step


def strategy_timeout(trainer: Trainer) -> timedelta:
    """Return how long processes wait for each other; torch's default, 30 minutes, unless the strategy sets it."""
    return getattr(trainer.strategy, "_timeout", None) or timedelta(minutes=30)


def set_last_checkpoint(keeper: ModelCheckpoint, path: str) -> None:
    """Tell a `ModelCheckpoint` that it has saved `path`, so that it does not overwrite this file after training."""
    keeper.last_model_path = path
    keeper._last_checkpoint_saved = path


def rewind_loaders(checkpoint: dict[str, Any], done: int) -> None:
    """Set the loaders' place in a checkpoint to the last finished batch, because Ctrl-C can interrupt a step.

    Args:
        checkpoint: checkpoint of Lightning.
        done: number of finished batches in the epoch.
    """
    for loader in checkpoint["loops"]["fit_loop"]["state_dict"].get("combined_loader", ()):
        loader["batches"] = min(loader["batches"], done)


def rewind_batch(checkpoint: dict[str, Any]) -> None:
    """Set the counts of a checkpoint to before the current batch; one too many would shift later validations."""
    training = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    if training["total"]["ready"] > training["total"]["processed"]:
        for counts in (training["total"], training["current"]):
            counts.update(ready=counts["processed"], started=counts["processed"])


def rewind_validation(checkpoint: dict[str, Any]) -> None:
    """Set a checkpoint saved in a validation to the first validation batch, so that the validation is repeated."""
    validation = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
    done = validation["total"]["completed"] - validation["current"]["completed"]
    for counts, before in ((validation["total"], done), (validation["current"], 0)):
        counts.update(ready=before + 1, started=before + 1, processed=before, completed=before)


def meeting_store() -> Store:
    """Return the key-value store that all processes of the run share."""
    return distributed_c10d._get_default_store()


def cpu_multiplies_bfloat16() -> bool:
    """Return whether the CPU multiplies bfloat16 matrices in hardware (AMX or AVX512-BF16)."""
    # torch.cpu.get_capabilities() returns the same, but older versions do not have it
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


class ParseOnly:
    """A mixin for a `LightningCLI` that only parses its command line."""

    def instantiate_classes(self) -> None:
        """Build nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""


def option_names(command_line: LightningCLI) -> list[str]:
    """Return the options of all verbs of a command line, each once."""
    parsers = command_line._subcommand_parsers.values()
    return list(dict.fromkeys(option for parser in parsers for option in parser._option_string_actions))
