"""Atomic writes of files and folders: complete or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from seemkit.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` if the block succeeds and is deleted if it fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")


def check_free(folder: Path) -> None:
    """Raise InputError if `folder` exists, unless it is an empty folder."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: exists already; remove it or choose another folder")


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield the path of a folder to create, which replaces `folder` if the block succeeds.

    `folder` must be empty or not exist.

    Raises:
        InputError: the folder cannot be written; `folder` is unchanged.
    """
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
            draft = Path(temporary) / target.name
            yield draft
            if target.exists():
                target.rmdir()
            draft.rename(target)
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror or error}") from error
