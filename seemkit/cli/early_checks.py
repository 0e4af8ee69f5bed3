"""What can be checked of a run before its network is built, which takes time and memory."""

from __future__ import annotations

from pathlib import Path

import torch
from jsonargparse import ArgumentParser, Namespace
from lightning import LightningDataModule

from seemkit.checkpoints.format import PACKAGES, require
from seemkit.data.datamodules.base import EvaluationDataModule
from seemkit.errors import InputError


def check(settings: Namespace, verb: str) -> None:
    """Raise InputError if data is missing, or parts would stay random forever.

    Args:
        settings: settings of the verb.
        verb: "fit", "validate", "test" or "predict".
    """
    if verb != "fit" and settings.get("ckpt_path") == "last":
        _check_last(settings.trainer)
    if settings.get("data") is not None:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(LightningDataModule, "data")
        data = parser.instantiate(Namespace(data=settings.data)).data  # type: ignore[no-untyped-call]
        if isinstance(data, EvaluationDataModule):
            data.check_folders(verb)
    if verb == "fit" and not settings.get("ckpt_path") and settings.model.weights is None:
        _check_frozen(settings.model)


def check_checkpoint(path: Path) -> None:
    """Raise InputError unless the path is a checkpoint, or a sharded one (a folder), with installed prompt kinds."""
    sharded = path.is_dir()
    file, key = (path / "meta.pt", "loops") if sharded else (path, "state_dict")
    if not file.is_file():
        raise InputError(f"--ckpt_path {path}: {'not a checkpoint: meta.pt is missing' if sharded else 'no such file'}")
    try:
        content = torch.load(file, map_location="meta", weights_only=True, mmap=True)
    except Exception as error:
        raise InputError(
            f"--ckpt_path {path}: not a readable checkpoint: {' '.join(str(error).split())[:2000]}"
        ) from error
    if not isinstance(content, dict) or key not in content:
        raise InputError(f"--ckpt_path {path}: not a Lightning checkpoint: key '{key}' is missing")
    require(content.get(PACKAGES), f"--ckpt_path {path}")


def _check_last(trainer: Namespace) -> None:
    """Raise InputError unless the folder of a ModelCheckpoint has a last checkpoint.

    A fit without one begins anew, so that a job that is submitted again and again can always ask for it.
    """
    callbacks = [callback for callback in trainer.callbacks or [] if callback.class_path.endswith("ModelCheckpoint")]
    folders = [Path(str(callback.init_args.dirpath or trainer.default_root_dir)) for callback in callbacks]
    if not any(path for folder in folders for path in folder.glob("last*")):
        where = (
            f"{', '.join(map(str, folders))} has no last checkpoint" if folders else "the run has no ModelCheckpoint"
        )
        raise InputError(f"--ckpt_path last: {where}; give the path of a checkpoint, or --model.weights alone")


def _check_frozen(model: Namespace) -> None:
    """Raise InputError if a frozen part has neither weights nor, if nobody learns to use it, a reason to be random."""
    for path in model.optimization.frozen:
        part = path.partition(".")[0]
        pretrained = part == "backbone" and model.architecture is not None and model.architecture.backbone_weights
        phrases = model.loss_weights.phrases
        unused = part == "language" and not any((phrases.choice, phrases.bce, phrases.dice))
        if not (pretrained or unused):
            raise InputError(
                f"model.optimization.frozen: the {part} would stay random: give --model.weights, or train it too"
            )
