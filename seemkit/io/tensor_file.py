"""Files of tensors by name: checkpoints of torch, and safetensors."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from seemkit.errors import InputError

SAFETENSORS = ".safetensors"
WRAPPERS = ("model", "state_dict", "model_state_dict", "module")
"""Keys under which trainers keep the weights."""
PARALLEL = "module."
"""Prefix that training on several devices puts before every name."""
POINTER, PAGES = b"version https://git-lfs", (b"<!doctype", b"<html", b"<?xml")
"""Beginnings of files that take the place of weights after a wrong download."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file, in its order, without executing code in it.

    The tensors can be under one of the keys `WRAPPERS`. A prefix `PARALLEL` of all names is removed.

    Args:
        path: file that ``torch.load(weights_only=True)`` reads, or safetensors file.

    Raises:
        InputError: the file is missing, damaged, something else than a file of weights, or holds objects that are not
            tensors.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    _check_kind(path)
    content = _load(path)
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds no state dict, but a {type(content).__name__}")
    if not content:
        raise InputError(f"{path}: holds an empty state dict")
    wrong = next((name for name, value in content.items() if not isinstance(value, Tensor)), None)
    if wrong is not None:
        raise InputError(f"{path}: key {wrong!r} is not a tensor")
    if all(str(name).startswith(PARALLEL) for name in content):
        return {str(name).removeprefix(PARALLEL): tensor for name, tensor in content.items()}
    return {str(name): tensor for name, tensor in content.items()}


def _check_kind(path: Path) -> None:
    """Raise InputError if a file is what a download puts in place of weights."""
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith(POINTER):
        raise InputError(f"{path}: a Git LFS pointer, not the weights; run git lfs pull, or download the file itself")
    if start.startswith(PAGES):
        raise InputError(f"{path}: a web page, not a file of weights; download it again, from the link to the file")


def _load(path: Path) -> object:
    # torch's own messages advise to load unsafely, and have escape codes, so none of them is passed on
    try:
        if path.suffix == SAFETENSORS:
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: not a file of plain tensors, so it is not opened; save the state dict alone"
        ) from error
    except Exception as error:  # a damaged pickle ends in almost any error
        raise InputError(f"{path}: damaged or not a checkpoint; download or copy it again") from error
