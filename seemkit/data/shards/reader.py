"""Reading of bytes from shards that stay open."""

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
    """Reads parts of files and keeps up to `WINDOW` files open.

    Each read states its offset (`os.pread`) and ignores the position of the descriptor. So processes and threads do
    not disturb each other, and a forked worker can use the descriptors of its parent. A pickled reader, for example in
    a spawned worker, starts without open files. Windows has no `os.pread`.
    """

    def __init__(self) -> None:
        if not hasattr(os, "pread"):
            raise InputError("shards: can be read on Linux and macOS only; use the folder that they were packed from")
        self._open = lru_cache(maxsize=WINDOW)(_Descriptor)

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()

    def read(self, path: Path, place: Place) -> bytes:
        """Return the bytes at a place of a file.

        Raises:
            InputError: the file is missing or too short.
        """
        with reading(path):
            # a local reference keeps the file open if another thread evicts the descriptor from the cache meanwhile
            descriptor = self._open(path)
            content = os.pread(descriptor.number, place.size, place.offset)
        if len(content) < place.size:
            raise InputError(f"{path}: ends before byte {place.offset + place.size}; {pack_again(path)}")
        return content


class _Descriptor:
    """A file open for reading, closed when its last reference is gone."""

    def __init__(self, path: Path) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)
