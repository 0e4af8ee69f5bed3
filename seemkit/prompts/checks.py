"""Checks of the fields of prompt values, for built-in kinds and plugins."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from seemkit.errors import InputError

FARTHEST = 1_000_000
"""Largest magnitude of a coordinate or a length, in pixels; no image is larger."""

Path2D = tuple[tuple[float, float], ...]
"""Points (x, y), in order."""


def check_numbers(kind: str, **values: Any) -> dict[str, float]:  # noqa: ANN401 (a file can hold any type)
    """Return the values as floats.

    Args:
        kind: the prompt kind, for the message.
        values: coordinates and lengths, by field name.

    Raises:
        InputError: a value is not a finite number, or its magnitude is greater than `FARTHEST`.
    """
    for name, value in values.items():
        known = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not known or not -FARTHEST <= value <= FARTHEST:
            raise InputError(
                f"{kind}: {name} is {str(value)[:40]!r}; expected a number of pixels, at most {FARTHEST:,}"
            )
    return {name: float(value) for name, value in values.items()}


def check_sign(kind: str, positive: object) -> None:
    """Raise InputError unless `positive` is True or False."""
    if not isinstance(positive, bool):
        raise InputError(f"{kind}: positive is {positive!r}; expected True or False")


def check_lengths(kind: str, **values: float) -> dict[str, float]:
    """Return the values as floats.

    Raises:
        InputError: a value is not a positive number.
    """
    found = check_numbers(kind, **values)
    for name, value in found.items():
        if value <= 0:
            raise InputError(f"{kind}: {name} is {value:g}; expected a number above 0")
    return found


def check_mask(kind: str, field: str, mask: Any) -> Bool[Tensor, "H W"]:  # noqa: ANN401
    """Return a copy of a mask.

    Raises:
        InputError: it is not a boolean map [H, W].
    """
    try:
        found = mask.detach().clone() if isinstance(mask, Tensor) else torch.from_numpy(np.array(mask))
    except (TypeError, ValueError):
        raise InputError(f"{kind}: {field} is a {type(mask).__name__}; expected a boolean map [H, W]") from None
    if found.dtype != torch.bool or found.ndim != 2:
        raise InputError(f"{kind}: {field} is {found.dtype} of shape {[*found.shape]}; expected torch.bool [H, W]")
    return found


def check_path(kind: str, points: Any, least: int) -> Path2D:  # noqa: ANN401 (lists and arrays are allowed)
    """Return the points as floats.

    Raises:
        InputError: they are not pairs of numbers, or there are fewer than `least`.
    """
    try:
        path = [(x, y) for x, y in (points.tolist() if hasattr(points, "tolist") else points)]
    except (TypeError, ValueError):
        raise InputError(f"{kind}: points is {str(points)[:60]}; expected pairs of X and Y in pixels") from None
    if len(path) < least:
        raise InputError(f"{kind}: {len(path)} points; expected at least {least}")
    pairs = [check_numbers(kind, x=x, y=y) for x, y in path]
    return tuple((pair["x"], pair["y"]) for pair in pairs)
