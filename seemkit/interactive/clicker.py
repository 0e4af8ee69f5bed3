"""Where a simulated user clicks next: the deepest pixel of all errors (RITM, arXiv 2102.06583, section 3)."""

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
"""How deep each pixel lies within a mask, 0 outside of it; outside of the map nothing is in the mask."""

CONTENT = 0.925
"""From this IoU on the official user clicks no more."""


@dataclass(frozen=True, slots=True)
class Click:
    """A pixel that a user marks.

    Attributes:
        x: column of the pixel.
        y: row of the pixel.
        positive: True on the object, False beside it.
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
    """The click that corrects the deepest error: positive on missed pixels of the object, negative on false ones.

    The depth of an error pixel is its distance to the nearest pixel that is no error of this sign; nothing outside the
    image is one. Of equally deep pixels the first in raster order is taken, of equally deep signs
    the negative one. A pixel is clicked once: its depth is then 0, while it still counts for its neighbors. Without
    any error left, the click is negative at (0, 0).

    Args:
        predicted: the mask so far; any device.
        target: the object.
        ignored: pixels that are neither object nor background.
        clicked: the earlier clicks on this object.
        depth: measures it: by the exact Euclidean distance, or `ops.distance.kornia_depth` as in the official code.

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
    """The click of the official SEEM evaluation: on the deepest pixel of that kind of error which has more pixels.

    Unlike `next_click` it counts pixels to choose the sign, measures depth by `ops.distance.kornia_depth`, looks past
    the squares of 3 x 3 around earlier clicks, and is content with an IoU of 0.925 (None then). Equal counts give a
    negative click, and where no error is left it is at (0, 0). Source: the official evaluation, described in
    docs/fidelity.md.

    Args:
        predicted: as in `next_click`.
        target: the object.
        ignored: pixels that are neither object nor background.
        clicked: the earlier clicks on this object.
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
    """The positive click on the deepest pixel of an object; see `next_click`."""
    return next_click(torch.zeros_like(mask), mask, depth=depth)


def center_click(mask: Bool[Tensor, "H W"]) -> Point:
    """A positive click at the pixel of the mask that is farthest from its border."""
    click = first_click(mask)
    return Point(click.x + 0.5, click.y + 0.5)


def _around(clicked: Sequence[Click], like: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """The pixels of the 3 x 3 squares around clicks."""
    marked = torch.zeros_like(like)
    for click in clicked:
        marked[max(0, click.y - 1) : click.y + 2, max(0, click.x - 1) : click.x + 2] = True
    return marked


def _deepest(error: Bool[Tensor, "H W"], clicked: Sequence[Click], measure: Depth) -> tuple[float, int, int]:
    """Depth, x and y of the deepest pixel that was not clicked; zeros if there is none."""
    errors: NDArray[np.bool_] = error.cpu().numpy()
    rows, columns = np.flatnonzero(errors.any(axis=1)), np.flatnonzero(errors.any(axis=0))
    if not len(rows):
        return 0.0, 0, 0
    top, left = int(rows[0]), int(columns[0])
    box = errors[top : rows[-1] + 1, left : columns[-1] + 1]
    depth = measure(box)  # the box holds all errors, so what lies around it is no error
    for click in clicked:
        if 0 <= click.y - top < box.shape[0] and 0 <= click.x - left < box.shape[1]:
            depth[click.y - top, click.x - left] = 0
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    if depth[y, x] == 0:
        return 0.0, 0, 0
    return float(depth[y, x]), left + int(x), top + int(y)
