"""Published models in the user's cache: downloaded, checked and converted once.

The folder is the platform's for caches, or the one in the environment variable ``SEEMKIT_CACHE``.
"""

from __future__ import annotations

import os
import shutil
import socket
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import torch

from seemkit.checkpoints.catalog import PUBLISHED, REPOSITORY, SHIPPED, PublishedModel, sha256
from seemkit.checkpoints.class_store import ClassStore
from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.checkpoints.format import WEIGHTS, ClassVectors, fill, write_model
from seemkit.checkpoints.official import architecture_of, rename
from seemkit.errors import InputError
from seemkit.io.atomic import replacing_folder
from seemkit.io.tensor_file import read_tensors
from seemkit.nn.language import LanguageTower, imagenet_templates

CACHE: Final = "SEEMKIT_CACHE"
"""Environment variable with the path of the cache folder."""
WAIT: Final = 10.0
"""Seconds to wait for the server."""
LARGE: Final = 10_000_000
"""Parameters in the blocks of a text tower from which on its class vectors are kept."""


def cache_folder() -> Path:
    """Return the folder of the cache, which need not exist."""
    import platformdirs

    return Path(os.environ.get(CACHE) or platformdirs.user_cache_dir("seemkit", appauthor=False))


def class_store_for(tower: LanguageTower) -> ClassStore | None:
    """Return the store of class vectors in the cache; None for a small tower, which computes them in a moment."""
    size = sum(parameter.numel() for parameter in tower.transformer.parameters())
    return ClassStore(cache_folder() / "classes") if size >= LARGE else None


def folder_of(name: str) -> Path | None:
    """Return the folder of a model that is shipped or in the cache; None if it must be downloaded first.

    Raises:
        InputError: no model has this name.
    """
    if name in SHIPPED:
        return SHIPPED[name].folder
    folder = _folder(_published(name))
    return folder if (folder / WEIGHTS).is_file() else None


def obtain(name: str) -> Path:
    """Return the folder of a model, after downloading and converting it if that was not done before.

    Two processes that ask at once do the work once. After an interruption, the download resumes.

    Raises:
        InputError: no model has this name, the Hugging Face Hub cannot be reached, the file is not the published one,
            or the cache cannot be written.
    """
    found = folder_of(name)
    if found is not None:
        return found
    from filelock import FileLock

    model = _published(name)
    folder = _folder(model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{name}.lock")):
            if not (folder / WEIGHTS).is_file():
                for draft in folder.parent.glob(f".{name}-*"):  # of a process that was killed
                    shutil.rmtree(draft)
                checkpoint = _download(model)
                _convert(model, checkpoint, folder)
                checkpoint.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror or error}; set {CACHE}") from error
    return folder


def remove(name: str) -> Path | None:
    """Remove a model from the cache; return its former folder, or None if it was not there.

    Raises:
        InputError: no published model has this name.
    """
    model = _published(name)
    folder = _folder(model)
    (_downloads() / model.file).unlink(missing_ok=True)
    for part in (_downloads() / ".cache").rglob(f"*{model.file}*"):
        part.unlink()
    if not folder.exists():
        return None
    shutil.rmtree(folder)
    return folder


def _published(name: str) -> PublishedModel:
    if name not in PUBLISHED:
        raise InputError(f"{name}: no such model; names: {', '.join((*SHIPPED, *PUBLISHED))}")
    return PUBLISHED[name]


def _folder(model: PublishedModel) -> Path:
    return cache_folder() / "models" / model.name


def _downloads() -> Path:
    return cache_folder() / "downloads"


def _download(model: PublishedModel) -> Path:
    """Return the model's file, after checking its size and sum.

    Raises:
        InputError: the Hub cannot be reached, or the file is not the published one, and is then removed.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        _check_network(constants.ENDPOINT)
        path = Path(hf_hub_download(REPOSITORY, model.file, local_dir=_downloads()))
    except HfHubHTTPError as error:
        raise InputError(f"{model.name}: the Hugging Face Hub answers: {str(error).splitlines()[0]}") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{model.name}: not in the cache, and the Hugging Face Hub cannot be reached; download it where there is a "
            f"network, and copy {cache_folder()}, or give the file {model.file}"
        ) from error
    if path.stat().st_size != model.size or sha256(path) != model.sha256:
        path.unlink()
        raise InputError(f"{model.name}: {model.file} is not the file that was published; try again later")
    return path


def _check_network(address: str) -> None:
    """Raise OSError unless the server can be reached, at once; the Hub's client would try for half a minute.

    With a proxy, the client finds out by itself.
    """
    if not urllib.request.getproxies():
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=WAIT).close()


def _convert(model: PublishedModel, checkpoint: Path, folder: Path) -> None:
    """Write the model in seemkit's format, with the vectors of its class names."""
    from rich.console import Console

    architecture = architecture_of(model.variant)
    tensors = rename(read_tensors(checkpoint), architecture)
    tower = LanguageTower.of(architecture)
    prefix = "language."
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    fill(tower, own, str(checkpoint))
    names, templates = COCO_PANOPTIC.names, tuple(architecture.templates or imagenet_templates())
    Console(stderr=True).print(f"{model.name}: computing the vectors of class names", soft_wrap=True)
    with torch.no_grad():
        vectors = tower.eval().embed_classes(names, templates)
    with replacing_folder(folder) as draft:
        write_model(tensors, architecture, COCO_PANOPTIC, ClassVectors(names, templates, vectors), draft)
