"""Text files whose faults are told by file."""

from __future__ import annotations

from pathlib import Path

from seemkit.errors import InputError
from seemkit.io.read_errors import reading


def read_lines(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        InputError: it is missing or no text.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").splitlines()
    except ValueError as error:
        raise InputError(f"{path}: is no text in UTF-8; write the file again") from error


def read_entries(path: Path) -> list[str]:
    """The lines of a text file that are not blank, without the space around them.

    Raises:
        InputError: it is missing or no text.
    """
    return list(filter(None, map(str.strip, read_lines(path))))
