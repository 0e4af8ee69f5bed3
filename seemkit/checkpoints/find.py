"""Finding weights: a shipped model, a folder, a file of the official code, or a repository of the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.checkpoints.format import (
    ARCHITECTURE,
    WEIGHTS,
    ClassVectors,
    read_architecture,
    read_classes,
    read_weights,
)
from seemkit.checkpoints.official import architecture_of, guess_variant, read_checkpoint, rename
from seemkit.checkpoints.variants import OFFICIAL, PUBLISHED
from seemkit.errors import InputError
from seemkit.nn.architecture import Architecture
from seemkit.types import Vocabulary

CHECKPOINTS = (".pt", ".pth")
SHIPPED = {path.name: path for path in (Path(__file__).parent / "models").glob("*/")}
"""The models that come with seemkit, by name."""


@dataclass(frozen=True)
class Pretrained:
    """Weights that were found.

    Attributes:
        architecture: of the network that they belong to.
        vocabulary: its class names; None if it has none of its own.
        tensors: the weights under seemkit's names.
        classes: vectors of class names, if they were saved with the weights.
        source: where they come from, for messages.
    """

    architecture: Architecture
    vocabulary: Vocabulary | None
    tensors: dict[str, Tensor]
    classes: ClassVectors | None
    source: str


def find(source: str | Path, variant: str | None = None) -> Pretrained:
    """The weights that a name means.

    Args:
        source: ``"scenes-tiny"``, which comes with seemkit; a folder with ``architecture.yaml`` and
            ``model.safetensors``; a ``.pt`` file of the official code; or ``"organization/name"`` of a repository on
            the Hugging Face Hub that holds either. A folder or file that exists comes first.
        variant: which published model; needed for a repository of ``.pt`` files, and for a single one of them whose
            names fit several (v0, v1 and demo: v1 is assumed).

    Raises:
        InputError: nothing of that name is found, or what is found cannot be read.
    """
    path = Path(source)
    if str(source) in SHIPPED and not path.exists():
        path = SHIPPED[str(source)]
    if path.suffix in CHECKPOINTS:
        return from_official(path, variant)
    if path.exists():
        if variant is not None:
            raise InputError(f"{path}: a variant ({variant}) is only for checkpoints of the official code")
        architecture, vocabulary = read_architecture(path)
        tensors, classes = read_weights(path), read_classes(path)
        return Pretrained(architecture, vocabulary, tensors, classes, str(path / WEIGHTS))
    if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        return _from_hub(str(source), variant)
    raise InputError(
        f"{source}: no such folder or file, no shipped model ({', '.join(SHIPPED)}) and no name of a repository like "
        f"'organization/name'; a model is a folder with {ARCHITECTURE} and {WEIGHTS}, as `seemkit fit` "
        "and `seemkit convert` leave it"
    )


def from_official(path: Path, variant: str | None = None) -> Pretrained:
    """The weights of an official ``.pt`` file, with the class names of COCO panoptic.

    Raises:
        InputError: the file cannot be read, the variant is unknown, or the file is of none.
    """
    tensors = read_checkpoint(path)
    architecture = architecture_of(variant or guess_variant(tensors, str(path)))
    return Pretrained(architecture, COCO_PANOPTIC, rename(tensors, architecture), None, str(path))


def _from_hub(repository: str, variant: str | None) -> Pretrained:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetch(name: str) -> Path:
        try:
            return Path(hf_hub_download(repository, name))
        except (LocalEntryNotFoundError, OSError, ValueError) as error:
            hint = "not in the local cache, and the Hugging Face Hub cannot be reached"
            if isinstance(error, HfHubHTTPError):
                hint = f"the Hugging Face Hub answers: {str(error).splitlines()[0]}"
            raise InputError(
                f"{repository}: {name}: {hint}; there is no local folder or file of that name either"
            ) from error

    if variant is None and repository == OFFICIAL:
        raise InputError(f"{repository}: holds several models: give a variant, one of {', '.join(PUBLISHED)}")
    if variant is None:
        folder = fetch(ARCHITECTURE).parent
        fetch(WEIGHTS)
        return find(folder)
    if variant not in PUBLISHED:
        raise InputError(f"{repository}: no file of variant {variant!r} is published; there are {', '.join(PUBLISHED)}")
    return from_official(fetch(PUBLISHED[variant]), variant)
