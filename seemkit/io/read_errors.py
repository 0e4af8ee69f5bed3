"""Errors of reading a file, with its name in the message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seemkit.errors import InputError
from seemkit.io.storage import StoredFile


@contextmanager
def reading(path: StoredFile) -> Iterator[None]:
    """Convert the OSErrors of reading a file within the block to InputError.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check its name and folder") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error
