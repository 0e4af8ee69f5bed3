"""Interfaces of the files of a dataset, which are single files in folders or members of shards."""

from __future__ import annotations

from typing import Protocol


class StoredFile(Protocol):
    """A file of a dataset, for example a `pathlib.Path`; its `str()` is its place, for messages."""

    @property
    def name(self) -> str:
        """Last part of the path."""

    def is_file(self) -> bool:
        """Return whether the file exists."""

    def read_bytes(self) -> bytes:
        """Return the content of the file."""


class StoredFolder(Protocol):
    """A set of files by name, for example a `pathlib.Path`."""

    def __truediv__(self, name: str, /) -> StoredFile:
        """Return the file of this name."""
