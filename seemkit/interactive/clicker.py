"""Where a simulated user clicks next: the deepest pixel of the largest error (RITM, arXiv 2102.06583, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor


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
) -> Click:
    """The click that corrects the deepest error: positive on missed pixels of the object, negative on false ones.

    The depth of an error pixel is its exact Euclidean distance to the nearest pixel that is no error of this sign;
    nothing outside the image is one. Of equally deep pixels the first in raster order is taken, of equally deep signs
    the negative one. A pixel is clicked once: its depth is then 0, while it still counts for its neighbours. Without
    any error left, the click is negative at (0, 0).

    Args:
        predicted: the mask so far; any device.
        target: the object.
        ignored: pixels that are neither object nor background.
        clicked: the earlier clicks on this object.

    Raises:
        ValueError: the maps differ in size.
    """
    if predicted.shape != target.shape or (ignored is not None and ignored.shape != target.shape):
        raise ValueError(f"maps for a click differ in size: predicted {[*predicted.shape]}, target {[*target.shape]}")
    missed, false = target & ~predicted, predicted & ~target
    if ignored is not None:
        missed, false = missed & ~ignored, false & ~ignored
    missed_depth, missed_x, missed_y = _deepest(missed, clicked)
    false_depth, false_x, false_y = _deepest(false, clicked)
    if missed_depth > false_depth:
        return Click(missed_x, missed_y, positive=True)
    return Click(false_x, false_y, positive=False)


def first_click(mask: Bool[Tensor, "H W"]) -> Click:
    """The positive click on the deepest pixel of an object; see `next_click`."""
    return next_click(torch.zeros_like(mask), mask)


def _deepest(error: Bool[Tensor, "H W"], clicked: Sequence[Click]) -> tuple[float, int, int]:
    """Depth, x and y of the deepest pixel that was not clicked; zeros if there is none."""
    errors: NDArray[np.bool_] = error.cpu().numpy()
    rows, columns = np.flatnonzero(errors.any(axis=1)), np.flatnonzero(errors.any(axis=0))
    if not len(rows):
        return 0.0, 0, 0
    top, left = int(rows[0]), int(columns[0])
    box = errors[top : rows[-1] + 1, left : columns[-1] + 1]
    depth = _depth(box)
    for click in clicked:
        if 0 <= click.y - top < box.shape[0] and 0 <= click.x - left < box.shape[1]:
            depth[click.y - top, click.x - left] = 0
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    if depth[y, x] == 0:
        return 0.0, 0, 0
    return float(depth[y, x]), left + int(x), top + int(y)


def _depth(box: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of each True pixel to the nearest False one; one row and column of False around the box is enough.

    The box holds all errors, so whatever lies further out is further away than that ring.
    """
    depth: NDArray[np.float64] = distance_transform_edt(np.pad(box, 1))
    return depth[1:-1, 1:-1]
