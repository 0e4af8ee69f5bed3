"""Files and folders that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from seemkit.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well and vanishes when it does not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_free(folder: Path) -> None:
    """Raise InputError if a folder that is to be written exists and is not empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: exists already; remove it or choose another folder")


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """The path of a folder to make, which takes the place of `folder`, absent or empty, when the block ends well.

    Raises:
        InputError: it cannot be written; `folder` is as before.
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
