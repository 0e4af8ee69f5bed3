"""Faults of reading a file, told by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seemkit.errors import InputError
from seemkit.io.storage import StoredFile


@contextmanager
def reading(path: StoredFile) -> Iterator[None]:
    """Turns what the system says of a file within the block into one line.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check its name and folder") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
