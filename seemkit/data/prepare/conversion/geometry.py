"""Shapes as the segmentations of COCO. Coordinates are (x, y) in pixels, the image's corners at (0, 0) and (W, H)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from seemkit.data.prepare.conversion.annotated_image import Segmentation
from seemkit.types import Size

CLIPPED = "polygons cut off at the border of their image"
_DECIMALS = 2  # as in COCO's own files
_CORNERS_OF_A_CIRCLE = 128


def polygon(points: NDArray[np.float64], size: Size, notes: Counter[str]) -> list[list[float]]:
    """The polygon as COCO writes it, cut off at the image's border; an empty list if it lies outside.

    Args:
        points: float [N, 2], x and y of its corners.
        size: of the image.
        notes: counts the polygons that were cut off.
    """
    inside = clip(points, size)
    if inside is not points:
        notes[CLIPPED] += 1
    return [np.round(inside, _DECIMALS).ravel().tolist()] if len(inside) >= 3 else []


def clip(points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """The corners float [M, 2] of the part of a polygon inside the image; `points` itself if all of it is inside.

    Sutherland and Hodgman, "Reentrant polygon clipping", 1974: one border after the other. Moving the corners to the
    border instead would bend the edges that cross it.
    """
    for axis, bound, sign in ((0, 0, 1), (0, size.width, -1), (1, 0, 1), (1, size.height, -1)):
        inside = sign * (points[:, axis] - bound) >= 0
        if inside.all():
            continue
        kept = []
        previous = zip(np.roll(points, 1, axis=0), np.roll(inside, 1), strict=True)
        for (before, was_inside), point, is_inside in zip(previous, points, inside, strict=True):
            if was_inside != is_inside:
                share = (bound - before[axis]) / (point[axis] - before[axis])
                crossing = before + share * (point - before)
                crossing[axis] = bound  # not a rounding error beside it
                kept.append(crossing)
            if is_inside:
                kept.append(point)
        points = np.array(kept, dtype=np.float64).reshape(-1, 2)
    return points


def circle(center: NDArray[np.float64], rim: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners float [128, 2] of a polygon of the circle's area around `center` whose rim goes through `rim`."""
    step = 2 * np.pi / _CORNERS_OF_A_CIRCLE
    angles = np.arange(_CORNERS_OF_A_CIRCLE) * step
    # an inscribed polygon is smaller than its circle
    radius = np.hypot(*(rim - center)) * np.sqrt(step / np.sin(step))
    return center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def run_lengths(segmentation: Segmentation, size: Size) -> dict[str, Any]:
    """The compressed run lengths of the pixels, as pycocotools keeps them (counts in bytes)."""
    if isinstance(segmentation, dict):
        return segmentation
    return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))


def union(segmentations: list[Segmentation], size: Size) -> Segmentation:
    """All parts of one instance together: polygons as long as all are, else run lengths."""
    polygons = [part for segmentation in segmentations if isinstance(segmentation, list) for part in segmentation]
    masks = [segmentation for segmentation in segmentations if isinstance(segmentation, dict)]
    if not masks:
        return polygons
    merged = coco_mask.merge([*masks, *([run_lengths(polygons, size)] if polygons else [])])
    return {"size": list(merged["size"]), "counts": merged["counts"].decode("ascii")}
