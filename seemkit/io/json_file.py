"""JSON files whose faults are told by file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from seemkit.errors import InputError
from seemkit.io.read_errors import reading

T = TypeVar("T")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: if the file is missing, no valid JSON, or holds no object.
    """
    content = load_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; it must be an object")
    return content


def load_json(path: Path) -> object:
    """What a JSON file holds.

    Raises:
        InputError: if the file is missing or no valid JSON.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is no valid JSON ({error}); write the file again") from error


def field(record: object, key: str, kind: type[T], where: str) -> T:
    """The value at `key` of a record, which must be of type `kind`.

    Args:
        record: an object of the file.
        key: the field.
        kind: its type; bool counts as int.
        where: file and place of the record, for messages.

    Raises:
        InputError: if the record is no object, has no such key, or the value is of another type.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where}: is a {type(record).__name__}; it must be an object")
    if key not in record:
        raise InputError(f"{where}: has no '{key}'; add it")
    value = record[key]
    if not isinstance(value, kind):
        raise InputError(f"{where}: '{key}' is a {type(value).__name__}; it must be a {kind.__name__}")
    return value
