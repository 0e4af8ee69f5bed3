"""Reading of text files, with errors that name the file."""

from __future__ import annotations

from pathlib import Path

from seemkit.errors import InputError
from seemkit.io.read_errors import reading


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file in UTF-8.

    Raises:
        InputError: the file is missing or is not text in UTF-8.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").splitlines()
    except ValueError as error:
        raise InputError(f"{path}: is not text in UTF-8; write the file again") from error


def read_entries(path: Path) -> list[str]:
    """Return the lines of a text file in UTF-8 that are not blank, stripped of surrounding space.

    Raises:
        InputError: the file is missing or is not text in UTF-8.
    """
    return list(filter(None, map(str.strip, read_lines(path))))
