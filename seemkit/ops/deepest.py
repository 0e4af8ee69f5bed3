"""The deepest pixel of each of many masks, found where the masks are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from seemkit.ops.distance import exact_depth
from seemkit.ops.transfer import send


class Deepest(NamedTuple):
    """The deepest pixel of a mask.

    Attributes:
        depth: distance to the nearest pixel outside the mask; 0 if no pixel is left.
        x: column; 0 if no pixel is left.
        y: row; 0 if no pixel is left.
    """

    depth: float
    x: int
    y: int


TOGETHER = 1 << 25
"""Number of pixels whose depth is measured at a time; it takes 28 bytes for each."""

NONE = Deepest(0.0, 0, 0)

Depth = Callable[[NDArray[np.bool_]], NDArray[np.floating]]
"""Returns the depth of each pixel within a mask, 0 outside it; everything outside the map is outside the mask."""


def deepest_pixels(masks: Bool[Tensor, "N H W"], skipped: Sequence[Sequence[tuple[int, int]]]) -> list[Deepest]:
    """Return the pixel of each mask that is farthest from the outside, by the exact Euclidean distance.

    Pixels beyond the map are outside. Among equally deep pixels, the first in raster order is returned. On the CPU,
    each mask is measured in its bounding box, by torch's number of threads; on another device all together, where
    nothing but the result is copied to the host.

    Args:
        masks: the masks.
        skipped: for each mask the pixels (x, y) that are not returned, although they are part of the mask.
    """
    if not len(masks):
        return []
    if masks.device.type == "cpu":
        threads = min(torch.get_num_threads(), len(masks))
        if threads == 1:
            return list(map(deepest_pixel, masks.numpy(), skipped))
        with ThreadPoolExecutor(threads) as pool:  # scipy lets them run side by side
            return list(pool.map(deepest_pixel, masks.numpy(), skipped))
    return deepest_together(masks, skipped)


def deepest_together(masks: Bool[Tensor, "N H W"], skipped: Sequence[Sequence[tuple[int, int]]]) -> list[Deepest]:
    """Return the same as `deepest_pixels`, for all masks at once."""
    height, width = masks.shape[1:]
    rows = max(1, TOGETHER // (height * width))
    found = torch.cat([
        _deepest_of(part, skipped[start : start + rows])
        for start, part in zip(range(0, len(masks), rows), masks.split(rows), strict=True)
    ]).tolist() if len(masks) else []  # fmt: skip
    return [Deepest(math.sqrt(squared), at % width, at // width) if squared else NONE for squared, at in found]


def _deepest_of(masks: Bool[Tensor, "N H W"], skipped: Sequence[Sequence[tuple[int, int]]]) -> Int[Tensor, "N 2"]:
    """Return the squared depth and the place, counted in raster order, of each mask's deepest pixel."""
    depth = squared_depth(masks)
    taken = [(index, y, x) for index, pixels in enumerate(skipped) for x, y in pixels]
    if taken:
        depth[tuple(send(torch.tensor(taken), masks.device).T)] = 0
    flat = depth.flatten(1)
    place = flat.argmax(dim=1, keepdim=True)
    return torch.cat((flat.gather(1, place), place), dim=1)


def squared_depth(masks: Bool[Tensor, "N H W"]) -> Int[Tensor, "N H W"]:
    """Return the squared distance of each True pixel to the nearest False one, or to the outside of the map; else 0.

    First along rows, by running extrema, then along columns: the nearest False pixel k rows away is at the distance
    sqrt(d * d + k * k), if d is the distance along that row. This is compared for all k up to half the shorter side, so
    that no result is waited for.

    Source: Felzenszwalb and Huttenlocher, Distance transforms of sampled functions (2012), section 3.
    """
    height, width = masks.shape[1:]
    column = torch.arange(width, device=masks.device, dtype=torch.int32)
    before = torch.where(masks, -1, column).cummax(dim=2).values
    after = torch.where(masks, width, column).flip(2).cummin(dim=2).values.flip(2)
    along = torch.minimum(column - before, after - column) ** 2
    reach = (min(height, width) + 1) // 2  # an edge of the map is at most so far away
    padded = F.pad(along, (0, 0, reach, reach))
    depth = along.clone()
    for away in range(1, reach + 1):
        for start in (reach - away, reach + away):
            torch.minimum(depth, padded[:, start : start + height] + away * away, out=depth)
    return depth


def deepest_pixel(
    mask: NDArray[np.bool_], skipped: Sequence[tuple[int, int]] = (), measure: Depth = exact_depth
) -> Deepest:
    """Return the deepest pixel of one mask, [H, W], by any measure of depth; see `deepest_pixels`."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return NONE
    top, left = int(rows[0]), int(columns[0])
    box = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    depth = measure(box)  # the box contains the whole mask, so the pixels around it are outside
    for x, y in skipped:
        if 0 <= y - top < box.shape[0] and 0 <= x - left < box.shape[1]:
            depth[y - top, x - left] = 0
    row, column = divmod(int(depth.argmax()), depth.shape[1])
    return Deepest(float(depth[row, column]), left + column, top + row) if depth[row, column] else NONE
