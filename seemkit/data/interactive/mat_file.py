"""A look at the structure of a MATLAB file before scipy reads it.

scipy trusts the data types that a file states, and a wrong one ends the whole process. Source of the layout: MAT-File
Format, The MathWorks, Level 5.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

HEADER, TAG = 128, 8
MATRIX, COMPRESSED = 14, 15
NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13})
TEXT = frozenset({1, 2, 3, 4, 16, 17, 18})
CELL, STRUCT, CHARACTERS, SPARSE, NUMERIC = 1, 2, 4, 5, range(6, 16)
COMPLEX = 8
"""Flag of a matrix with an imaginary part."""
MOST_BYTES = 2**28
"""Most bytes of an element after decompression."""


class Element(NamedTuple):
    """The type and content of an element."""

    kind: int
    content: bytes


def check_mat_file(path: Path) -> None:
    """Raise ValueError unless a MATLAB file of level 5 consists of whole matrices of numbers, texts, cells and structs.

    Files of other levels, which begin differently, are left to scipy.

    Raises:
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None:
        return
    for element in _elements(content[HEADER:], order):
        packed = element.kind == COMPRESSED
        for matrix in _elements(_unpacked(element.content), order) if packed else [element]:
            _check_matrix(matrix, order)


def _elements(content: bytes, order: str) -> list[Element]:
    """Return the elements that bytes are, one after another.

    Raises:
        ValueError: an element does not fit its place.
    """
    found, place = [], 0
    while place < len(content):
        if len(content) - place < TAG:
            raise ValueError("the file ends within an element")
        kind, size = struct.unpack_from(f"{order}II", content, place)
        start = place + TAG
        if kind >> 16:  # type and size share the first half, and the content is the other one
            kind, size, start = kind & 0xFFFF, kind >> 16, place + TAG // 2
            if size > TAG // 2:
                raise ValueError("an element is larger than its place")
            place += TAG
        else:
            place = start + size + (0 if kind == COMPRESSED else -size % TAG)
        if start + size > len(content):
            raise ValueError("an element is larger than its place")
        found.append(Element(kind, content[start : start + size]))
    return found


def _check_matrix(element: Element, order: str) -> None:
    """Raise ValueError unless an element is a matrix whose parts are of the types that its class has."""
    parts = _elements(element.content, order) if element.kind == MATRIX else []
    if element.kind == MATRIX and not parts:
        return  # an empty cell
    if len(parts) < 3 or [part.kind for part in parts[:3]] != [6, 5, 1] or len(parts[0].content) != 8:
        raise ValueError("an element is not a matrix")
    word = struct.unpack_from(f"{order}I", parts[0].content)[0]
    sort, flags, rest = word & 0xFF, word >> 8 & 0xFF, parts[3:]
    values = 2 if flags & COMPLEX else 1
    if sort == STRUCT and [part.kind for part in rest[:2]] == [5, 1]:
        rest = rest[2:]
    if sort in (CELL, STRUCT):
        for part in rest:
            _check_matrix(part, order)
        return
    types = TEXT if sort == CHARACTERS else NUMBERS
    wanted = values + 2 * (sort == SPARSE)
    if not (sort in (CHARACTERS, SPARSE, *NUMERIC) and len(rest) == wanted and all(p.kind in types for p in rest)):
        raise ValueError(f"a matrix of class {sort} has parts of other types")


def _unpacked(content: bytes) -> bytes:
    """Return the content of a compressed element.

    Raises:
        ValueError: it is damaged or too large.
    """
    unpacked = zlib.decompressobj()
    try:
        inside = unpacked.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if unpacked.unconsumed_tail or not unpacked.eof:
        raise ValueError("compressed data is damaged or too large")
    return inside
