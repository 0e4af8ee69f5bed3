"""What every prompt value checks when it is made, whoever wrote its kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from seemkit.errors import InputError

FARTHEST = 1_000_000
"""Most pixels that a coordinate or a length may be; no image is larger."""

Path2D = tuple[tuple[float, float], ...]
"""Points (x, y) in their order."""


def check_numbers(kind: str, **values: Any) -> dict[str, float]:  # noqa: ANN401 (whatever a file says)
    """The values as floats.

    Args:
        kind: of the prompt, for the message.
        values: coordinates and lengths by the names of their fields.

    Raises:
        InputError: one is no number, not finite, or farther away than any image reaches.
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
    """The values as floats, if they are greater than zero.

    Raises:
        InputError: one is not.
    """
    found = check_numbers(kind, **values)
    for name, value in found.items():
        if value <= 0:
            raise InputError(f"{kind}: {name} {value:g} is not positive")
    return found


def check_mask(kind: str, field: str, mask: Any) -> Bool[Tensor, "H W"]:  # noqa: ANN401
    """A copy of a boolean map.

    Raises:
        InputError: it is none.
    """
    try:
        found = mask.detach().clone() if isinstance(mask, Tensor) else torch.from_numpy(np.array(mask))
    except (TypeError, ValueError):
        raise InputError(f"{kind}: {field} is a {type(mask).__name__}; expected a boolean map [H, W]") from None
    if found.dtype != torch.bool or found.ndim != 2:
        raise InputError(f"{kind}: {field} is {found.dtype} of shape {[*found.shape]}; expected torch.bool [H, W]")
    return found


def check_path(kind: str, points: Any, least: int) -> Path2D:  # noqa: ANN401 (lists and arrays are welcome)
    """The points as floats.

    Raises:
        InputError: they are no pairs of numbers, or fewer than `least`.
    """
    try:
        path = [(x, y) for x, y in (points.tolist() if hasattr(points, "tolist") else points)]
    except (TypeError, ValueError):
        raise InputError(f"{kind}: points {str(points)[:60]}: expected pairs of X and Y in pixels") from None
    if len(path) < least:
        raise InputError(f"{kind}: {len(path)} points; at least {least} are needed")
    pairs = [check_numbers(kind, x=x, y=y) for x, y in path]
    return tuple((pair["x"], pair["y"]) for pair in pairs)
