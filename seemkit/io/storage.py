"""Files of a dataset, wherever they lie: each its own in a folder, or parts of shards."""

from __future__ import annotations

from typing import Protocol


class StoredFile(Protocol):
    """A file that can be read whole; as a string it is the place of the file, for messages. A `pathlib.Path` is one."""

    @property
    def name(self) -> str:
        """The last part of its place."""

    def is_file(self) -> bool:
        """Whether it is there."""

    def read_bytes(self) -> bytes:
        """What it holds."""


class StoredFolder(Protocol):
    """A set of files by name. A `pathlib.Path` is one."""

    def __truediv__(self, name: str, /) -> StoredFile:
        """The file of this name."""
