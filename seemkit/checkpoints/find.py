"""Find weights: a shipped model, a folder, a file of the official code, or a repository of the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seemkit.checkpoints.cache import obtain
from seemkit.checkpoints.catalog import PUBLISHED, SHIPPED, published_variant
from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.checkpoints.format import (
    ARCHITECTURE,
    WEIGHTS,
    ClassVectors,
    read_architecture,
    read_classes,
    read_weights,
)
from seemkit.checkpoints.official import architecture_of, guess_variant, rename
from seemkit.checkpoints.variants import FILES, OFFICIAL
from seemkit.errors import InputError
from seemkit.io.tensor_file import SAFETENSORS, read_tensors
from seemkit.nn.architecture import Architecture
from seemkit.types import Vocabulary

CHECKPOINTS = (".pt", ".pth", SAFETENSORS)
"""Suffixes of files under official names."""


@dataclass(frozen=True)
class Pretrained:
    """Pretrained weights with what belongs to them.

    Attributes:
        architecture: architecture of the network.
        vocabulary: class names of the network; None if it has none.
        tensors: weights under seemkit's names.
        classes: vectors of the class names; None if they were not saved with the weights.
        source: file or folder of the weights, for messages.
    """

    architecture: Architecture
    vocabulary: Vocabulary | None
    tensors: dict[str, Tensor]
    classes: ClassVectors | None
    source: str


def find(source: str | Path, variant: str | None = None) -> Pretrained:
    """Return the weights of a model.

    Args:
        source: name of a shipped or published model; a folder with ``architecture.yaml`` and ``model.safetensors``; a
            ``.pt`` file of the official code; or ``"organization/name"`` of a repository on the Hugging Face Hub with
            one of these. An existing folder or file has priority.
        variant: name of the published model, for files of the official code only. A repository of ``.pt`` files needs
            it. For a single file, None finds it by the SHA-256 of the published files, otherwise by names and shapes;
            these are equal in v0, v1 and demo, so v1 is then assumed.

    Raises:
        InputError: nothing of that name is found, it cannot be read, or the variant does not fit.
    """
    path = Path(source)
    if str(source) in (*SHIPPED, *PUBLISHED) and not path.exists():
        path = obtain(str(source))
    if path.suffix in CHECKPOINTS:
        return from_official(path, variant)
    if path.exists():
        if variant is not None:
            raise InputError(f"{path}: a variant ({variant}) is only for checkpoints of the official code; omit it")
        architecture, vocabulary = read_architecture(path)
        tensors, classes = read_weights(path), read_classes(path)
        return Pretrained(architecture, vocabulary, tensors, classes, str(path / WEIGHTS))
    if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) and not path.parent.is_dir():  # a folder here: a local name
        return _from_hub(str(source), variant)
    raise InputError(
        f"{source}: no such folder or file, not the name of a model ({', '.join((*SHIPPED, *PUBLISHED))}) and not a "
        f"repository name like 'organization/name'; a model is a folder with {ARCHITECTURE} and {WEIGHTS}, as "
        "`seemkit fit` and `seemkit convert` write it"
    )


def from_official(path: Path, variant: str | None = None) -> Pretrained:
    """Return the weights of an official ``.pt`` file, with the class names of COCO panoptic.

    Args:
        path: ``.pt`` file.
        variant: name of the published model; None to guess it from names and shapes.

    Raises:
        InputError: the file cannot be read, the variant is unknown, or no variant fits the file.
    """
    tensors = read_tensors(path)
    architecture = architecture_of(variant or published_variant(path) or guess_variant(tensors, str(path)))
    return Pretrained(architecture, COCO_PANOPTIC, rename(tensors, architecture, str(path)), None, str(path))


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
            raise InputError(f"{repository}: {name}: {hint}; no local folder or file has that name either") from error

    if variant is None and repository == OFFICIAL:
        raise InputError(f"{repository}: holds several models; give a variant: {', '.join(FILES)}")
    if variant is None:
        folder = fetch(ARCHITECTURE).parent
        fetch(WEIGHTS)
        return find(folder)
    if variant not in FILES:
        raise InputError(f"{repository}: no file of variant {variant!r} is published; choose from: {', '.join(FILES)}")
    return from_official(fetch(FILES[variant]), variant)
