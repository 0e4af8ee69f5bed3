"""Shapes as COCO segmentations. Coordinates are (x, y) in pixels; the image spans (0, 0) to (W, H)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from seemkit.data.prepare.conversion.annotated_image import Segmentation
from seemkit.types import Size

CLIPPED = "polygons cut off at the border of their image"
_DECIMALS = 2  # as in the files of COCO
_CORNERS_OF_A_CIRCLE = 128


def polygon(points: NDArray[np.float64], size: Size, notes: Counter[str]) -> list[list[float]]:
    """Return the polygon as COCO writes it, clipped to the image; an empty list if it is outside.

    Args:
        points: its corners (x, y), float [N, 2].
        size: size of the image.
        notes: counts the polygons that were clipped.
    """
    inside = clip(points, size)
    if inside is not points:
        notes[CLIPPED] += 1
    return [np.round(inside, _DECIMALS).ravel().tolist()] if len(inside) >= 3 else []


def clip(points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """Return the corners, float [M, 2], of the part of a polygon inside the image; `points` itself if all is inside.

    The polygon is clipped at one border after the other (Sutherland and Hodgman, "Reentrant polygon clipping", 1974).
    Moving outside corners to the border instead would bend the edges that cross it.
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
                crossing[axis] = bound  # exactly, without rounding error
                kept.append(crossing)
            if is_inside:
                kept.append(point)
        points = np.array(kept, dtype=np.float64).reshape(-1, 2)
    return points


def circle(center: NDArray[np.float64], rim: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners, float [128, 2], of a polygon with the area of the circle around `center` through `rim`."""
    step = 2 * np.pi / _CORNERS_OF_A_CIRCLE
    angles = np.arange(_CORNERS_OF_A_CIRCLE) * step
    # the radius is larger than that of the circle, because an inscribed polygon has a smaller area
    radius = np.hypot(*(rim - center)) * np.sqrt(step / np.sin(step))
    return center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def run_lengths(segmentation: Segmentation, size: Size) -> dict[str, Any]:
    """Return the compressed run lengths of the pixels, in the form that pycocotools reads."""
    if isinstance(segmentation, dict):
        return segmentation
    return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))


def union(segmentations: list[Segmentation], size: Size) -> Segmentation:
    """Return the union of the parts of one instance: polygons if all parts are polygons, else run lengths."""
    polygons = [part for segmentation in segmentations if isinstance(segmentation, list) for part in segmentation]
    masks = [segmentation for segmentation in segmentations if isinstance(segmentation, dict)]
    if not masks:
        return polygons
    merged = coco_mask.merge([*masks, *([run_lengths(polygons, size)] if polygons else [])])
    return {"size": list(merged["size"]), "counts": merged["counts"].decode("ascii")}
