"""Conversion of prompt values to plain data and back."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from torch import Tensor

from seemkit.errors import InputError
from seemkit.ops.rle import decode_mask, encode_mask
from seemkit.prompts.values import Prompt

P = TypeVar("P", bound=Prompt)


def to_fields(prompt: Prompt) -> dict[str, Any]:
    """Return the fields that differ from their defaults; masks are run-length encoded as in COCO."""
    values = {field.name: (getattr(prompt, field.name), field) for field in fields(prompt)}
    return {name: _plain(v) for name, (v, field) in values.items() if isinstance(v, Tensor) or v != field.default}


def from_fields(kind: str, accepts: type[P], values: dict[str, Any]) -> P:
    """Return the prompt that `to_fields` wrote.

    Raises:
        InputError: a field is unknown, missing or wrong.
    """
    known = {field.name: field for field in fields(accepts)}
    for name in values:
        if name not in known:
            raise InputError(f"{kind}: unknown field {name!r}; known fields: {', '.join(known)}")
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{kind}: field {name!r} is missing")
    try:
        return accepts(**{name: _value(kind, known[name], value) for name, value in values.items()})
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{kind}: a field is wrong: {' '.join(str(error).split())}") from error


def _plain(value: Any) -> Any:  # noqa: ANN401 (fields are of many types)
    if isinstance(value, Tensor):
        return encode_mask(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _value(kind: str, field: Field[Any], value: Any) -> Any:  # noqa: ANN401
    if isinstance(field.default, bool) and not isinstance(value, bool):
        raise InputError(f"{kind}: field {field.name!r} is {value!r}; expected true or false")
    if not isinstance(value, dict):
        return value
    try:
        return decode_mask(value)
    except ValueError as error:
        raise InputError(f"{kind}: field {field.name!r}: {error}") from None
