"""The output folder of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seemkit.errors import InputError


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Raise InputError, which names the folder, if a file in it cannot be written in the block."""
    try:
        yield
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there: {error.strerror or error}") from error
