"""Smooth closed curves through points, and clipping of polygons."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seemkit.plugin import Size

Points = NDArray[np.float64]


def by_angle(points: Float[Points, "n 2"]) -> Float[Points, "n 2"]:
    """Return the points in the order of their angle around their mean."""
    away = points - points.mean(axis=0)
    return points[np.argsort(np.arctan2(away[:, 0], away[:, 1]))]


def closed_curve(
    points: Float[Points, "n 2"], radius: float = 0.2, edgy: float = 0.05, samples: int = 100
) -> Float[Points, "m 2"]:
    """Return samples of the closed cubic Bezier spline through the points, in their order.

    Args:
        points: (x, y); a single point is repeated.
        radius: distance of the control points, as a fraction of the distance between two points; 0 gives straight
            lines.
        edgy: 0 is smoothest; a larger value turns the tangent at a point toward the next point.
        samples: number of samples of each of the n segments.
    """
    if len(points) == 1:
        return np.repeat(points, samples, axis=0)
    following = np.roll(points, -1, axis=0)
    step = following - points
    ahead = np.arctan2(step[:, 1], step[:, 0]) % (2 * np.pi)
    behind = np.roll(ahead, 1)
    share = np.arctan(edgy) / np.pi + 0.5
    tangent = share * ahead + (1 - share) * behind + np.where(np.abs(behind - ahead) > np.pi, np.pi, 0.0)
    direction = np.stack((np.cos(tangent), np.sin(tangent)), axis=1)
    reach = radius * np.linalg.norm(step, axis=1, keepdims=True)
    corners = (points, points + reach * direction, following - reach * np.roll(direction, -1, axis=0), following)
    t = np.linspace(0, 1, samples)[:, None]
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    segments = sum(corner[:, None] * weight for corner, weight in zip(corners, weights, strict=True))
    return np.asarray(segments).reshape(-1, 2)


def clip(corners: Float[Points, "n 2"], size: Size) -> Float[Points, "m 2"]:
    """Return the polygon, corners (x, y), clipped to the image; no corners if it is outside.

    Source: Sutherland and Hodgman, Reentrant polygon clipping (1974).
    """
    for axis, limit, sign in ((0, 0, 1), (0, size.width, -1), (1, 0, 1), (1, size.height, -1)):
        inside = sign * (corners[:, axis] - limit) >= 0
        kept = []
        for index in range(len(corners)):
            here, before = corners[index], corners[index - 1]
            if inside[index] != inside[index - 1]:
                share = (limit - before[axis]) / (here[axis] - before[axis])
                kept.append(before + share * (here - before))
            if inside[index]:
                kept.append(here)
        corners = np.array(kept).reshape(-1, 2)
    return corners
