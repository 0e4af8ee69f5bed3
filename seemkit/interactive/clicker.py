"""The clicks of a simulated user, on the deepest pixel of all errors (RITM, arXiv 2102.06583, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from seemkit.ops.distance import exact_depth, kornia_depth
from seemkit.prompts.values import Point

Depth = Callable[[NDArray[np.bool_]], NDArray[np.floating]]
"""Returns the depth of each pixel within a mask, 0 outside it; everything outside the map is outside the mask."""

CONTENT = 0.925
"""The official simulated user stops clicking at this IoU."""


@dataclass(frozen=True, slots=True)
class Click:
    """A pixel that a user clicks.

    Attributes:
        x: column of the pixel.
        y: row of the pixel.
        positive: True on the object, False outside it.
    """

    x: int
    y: int
    positive: bool


def next_click(
    predicted: Bool[Tensor, "H W"],
    target: Bool[Tensor, "H W"],
    ignored: Bool[Tensor, "H W"] | None = None,
    clicked: Sequence[Click] = (),
    depth: Depth = exact_depth,
) -> Click:
    """Return the click on the deepest error: positive on missed pixels of the object, negative on false ones.

    The depth of an error pixel is its distance to the nearest pixel that is not an error of the same sign. Pixels
    outside the image are not errors. Among equally deep pixels, the first in raster order is clicked; among equally
    deep signs, the negative one. No pixel is clicked twice: a clicked pixel has depth 0, but still counts as an error
    when the depth of its neighbors is measured. If no error is left, the click is negative at (0, 0).

    Args:
        predicted: the current mask, on any device.
        target: the mask of the object.
        ignored: pixels that are neither object nor background.
        clicked: earlier clicks on this object.
        depth: function that measures the depth: `exact_depth`, or `ops.distance.kornia_depth` as in the official code.

    Raises:
        ValueError: the maps differ in size.
    """
    if predicted.shape != target.shape or (ignored is not None and ignored.shape != target.shape):
        raise ValueError(f"maps for a click differ in size: predicted {[*predicted.shape]}, target {[*target.shape]}")
    missed, false = target & ~predicted, predicted & ~target
    if ignored is not None:
        missed, false = missed & ~ignored, false & ~ignored
    missed_depth, missed_x, missed_y = _deepest(missed, clicked, depth)
    false_depth, false_x, false_y = _deepest(false, clicked, depth)
    if missed_depth > false_depth:
        return Click(missed_x, missed_y, positive=True)
    return Click(false_x, false_y, positive=False)


def official_click(
    predicted: Bool[Tensor, "H W"],
    target: Bool[Tensor, "H W"],
    ignored: Bool[Tensor, "H W"] | None = None,
    clicked: Sequence[Click] = (),
) -> Click | None:
    """Return the click of the official SEEM evaluation; None if the IoU is at least 0.925.

    The sign is that of the errors with more pixels; equal counts give a negative click. The click is on the deepest
    error of this sign, measured by `ops.distance.kornia_depth`. Errors in the 3 x 3 squares around earlier clicks do
    not count. If no error is left, the click is at (0, 0). Source: the official evaluation, described in
    docs/fidelity.md.

    Args:
        predicted: the current mask, on any device.
        target: the mask of the object.
        ignored: pixels that are neither object nor background.
        clicked: earlier clicks on this object.
    """
    judged = torch.ones_like(target) if ignored is None else ~ignored
    seen = ~judged | _around(clicked, target)
    overlap, union = (predicted & target & judged).sum(), ((predicted | target) & judged).sum()
    if overlap >= CONTENT * union:
        return None
    missed, false = target & ~predicted & ~seen, predicted & ~target & ~seen
    positive = bool(missed.sum() > false.sum())
    _, x, y = _deepest(missed if positive else false, (), kornia_depth)
    return Click(x, y, positive)


def first_click(mask: Bool[Tensor, "H W"], depth: Depth = exact_depth) -> Click:
    """Return the positive click on the deepest pixel of an object; see `next_click`."""
    return next_click(torch.zeros_like(mask), mask, depth=depth)


def center_click(mask: Bool[Tensor, "H W"]) -> Point:
    """Return a positive point at the pixel of the mask that is farthest from its border."""
    click = first_click(mask)
    return Point(click.x + 0.5, click.y + 0.5)


def _around(clicked: Sequence[Click], like: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Return the pixels of the 3 x 3 squares around clicks."""
    marked = torch.zeros_like(like)
    for click in clicked:
        marked[max(0, click.y - 1) : click.y + 2, max(0, click.x - 1) : click.x + 2] = True
    return marked


def _deepest(error: Bool[Tensor, "H W"], clicked: Sequence[Click], measure: Depth) -> tuple[float, int, int]:
    """Return depth, x and y of the deepest pixel that was not clicked; zeros if no such pixel exists."""
    errors: NDArray[np.bool_] = error.cpu().numpy()
    rows, columns = np.flatnonzero(errors.any(axis=1)), np.flatnonzero(errors.any(axis=0))
    if not len(rows):
        return 0.0, 0, 0
    top, left = int(rows[0]), int(columns[0])
    box = errors[top : rows[-1] + 1, left : columns[-1] + 1]
    depth = measure(box)  # the box contains all errors, so the pixels around it are not errors
    for click in clicked:
        if 0 <= click.y - top < box.shape[0] and 0 <= click.x - left < box.shape[1]:
            depth[click.y - top, click.x - left] = 0
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    if depth[y, x] == 0:
        return 0.0, 0, 0
    return float(depth[y, x]), left + int(x), top + int(y)
