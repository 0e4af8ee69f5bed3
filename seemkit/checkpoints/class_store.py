"""Vectors of class names in the user's cache, which outlive the process: a new vocabulary costs its new names only.

A file holds the vector of one name. Its folder is named after the weights of the text tower, the kind of device and the
templates, so a vector is found only where it would come out the same. A cache that cannot be read or written is passed
over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.atomic import replacing
from seemkit.io.tensor_file import read_tensors
from seemkit.nn.language import LanguageTower

VECTOR = "vector"
FORMAT = 1
"""Part of what a folder is named after; another number if vectors are computed differently."""


class ClassStore:
    """Vectors of class names on disk.

    Args:
        folder: folder of all vectors; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @torch.no_grad()
    def fill(self, tower: LanguageTower, names: Sequence[str], templates: Sequence[str]) -> None:
        """Make a tower in evaluation mode know the vectors of class names: from disk, else computed and then kept."""
        missing = tower.unknown(names, templates)
        if not missing:
            return
        folder = self._folder_of(tower, templates)
        tower.remember(templates, _read(folder, missing))
        missing = tower.unknown(names, templates)
        if missing:
            with torch.autocast(tower.projection.device.type, enabled=False):
                tower.embed_classes(names, templates)
            _write(folder, {name: tower.known(name, templates) for name in missing})

    def _folder_of(self, tower: LanguageTower, templates: Sequence[str]) -> Path:
        digest = hashlib.sha256(json.dumps([FORMAT, tower.projection.device.type, *templates]).encode())
        for name, tensor in sorted(tower.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(memoryview(tensor.cpu().reshape(-1).view(torch.uint8).numpy()))
        return self.folder / digest.hexdigest()


def _read(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the vectors of those names that have a readable file."""
    found = {}
    for name in names:
        try:
            found[name] = read_tensors(_file(folder, name))[VECTOR]
        except (InputError, KeyError, OSError):
            continue
    return found


def _write(folder: Path, vectors: Mapping[str, Tensor]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, vector in vectors.items():
            with replacing(_file(folder, name)) as path:
                path.write_bytes(safetensors.torch.save({VECTOR: vector.cpu().contiguous()}))
    except OSError:
        return


def _file(folder: Path, name: str) -> Path:
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()}.safetensors"
