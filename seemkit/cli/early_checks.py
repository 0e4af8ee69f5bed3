"""What can be checked of a run before its network is built, which takes time and memory."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace
from lightning import LightningDataModule

from seemkit.data.datamodules.base import EvaluationDataModule
from seemkit.errors import InputError


def check(settings: Namespace, verb: str) -> None:
    """Raise InputError if data is missing, or parts would stay random forever.

    Args:
        settings: settings of the verb.
        verb: "fit", "validate", "test" or "predict".
    """
    if settings.get("data") is not None:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(LightningDataModule, "data")
        data = parser.instantiate(Namespace(data=settings.data)).data  # type: ignore[no-untyped-call]
        if isinstance(data, EvaluationDataModule):
            data.check_folders(verb)
    if verb == "fit" and not settings.get("ckpt_path") and settings.model.weights is None:
        _check_frozen(settings.model)


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
