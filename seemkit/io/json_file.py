"""Reading of JSON files, with errors that name file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from seemkit.errors import InputError
from seemkit.io.read_errors import reading

T = TypeVar("T")


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        InputError: the file is missing, is not valid JSON, or does not contain an object.
    """
    content = load_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; it must be an object")
    return content


def load_json(path: Path) -> object:
    """Return the content of a JSON file.

    Raises:
        InputError: the file is missing or is not valid JSON.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error}); write the file again") from error


def field(record: object, key: str, kind: type[T], where: str) -> T:
    """Return the value of a record's field, which must have type `kind`.

    Args:
        record: object of the file.
        key: name of the field.
        kind: type of the value; bool counts as int.
        where: file and place of the record, for messages.

    Raises:
        InputError: the record is not an object, has no such field, or the value has another type.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where}: is a {type(record).__name__}; it must be an object")
    if key not in record:
        raise InputError(f"{where}: has no '{key}'; add it")
    value = record[key]
    if not isinstance(value, kind):
        raise InputError(f"{where}: '{key}' is a {type(value).__name__}; it must be a {kind.__name__}")
    return value
