"""Bytes out of shards that stay open."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Self

from seemkit.data.shards.index import Place, pack_again
from seemkit.data.shards.order import WINDOW
from seemkit.errors import InputError
from seemkit.io.read_errors import reading


class ShardReader:
    """Reads parts of files, of which it keeps as many open as a window of the training order has.

    Every read says where it starts (`os.pread`), so the descriptors have no position that processes or threads could
    spoil for each other: a forked worker may use those of its parent. A pickled reader, as a spawned worker gets it, is
    a new one. There is no such call on Windows.
    """

    def __init__(self) -> None:
        if not hasattr(os, "pread"):
            raise InputError("shards: can be read on Linux and macOS only; use the folder that was packed")
        self._open = lru_cache(maxsize=WINDOW)(_Descriptor)

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()

    def read(self, path: Path, place: Place) -> bytes:
        """The bytes at a place of the file.

        Raises:
            InputError: the file is missing or has fewer bytes.
        """
        with reading(path):
            # held until the read is done: another thread may push the descriptor out of the cache meanwhile
            descriptor = self._open(path)
            content = os.pread(descriptor.number, place.size, place.offset)
        if len(content) < place.size:
            raise InputError(f"{path}: ends before byte {place.offset + place.size}; {pack_again(path)}")
        return content


class _Descriptor:
    """A file open for reading, closed with its last user."""

    def __init__(self, path: Path) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)
