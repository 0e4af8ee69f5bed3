from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from seemkit.ops.paint import paint
from seemkit.types import Size

SIZE = Size(40, 50)


@pytest.mark.parametrize("width", [1, 2, 3, 7.4])
def test_a_dot(width):
    pixels = paint([(20.5, 10.5)], width, SIZE)
    side = round(width)
    assert len(pixels) <= side * side
    assert len(pixels) >= 0.55 * side * side
    assert [10, 20] in pixels.tolist()
    assert np.ptp(pixels, axis=0).tolist() == [side - 1, side - 1]


def test_paint_beside_the_image_is_lost():
    assert len(paint([(-30, -30), (-20, 80)], 5, SIZE)) == 0
    assert paint([(-30, 5.5), (2.5, 5.5)], 1, SIZE).tolist() == [[5, 0], [5, 1], [5, 2]]
    edge = paint([(25, -2)], 9, SIZE)
    assert len(edge)
    assert edge.min() >= 0


def test_it_covers_what_a_naive_brush_covers():
    points, width = [(5.5, 5.5), (30.5, 20.5), (12.5, 33.5)], 5
    found = np.zeros(SIZE, dtype=bool)
    found[tuple(paint(points, width, SIZE).T)] = True
    y, x = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    near = np.full(SIZE, np.inf)
    for t in np.linspace(0, 1, 400):
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            near = np.minimum(near, np.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0)))
    assert (near <= width / 2 - 1)[~found].sum() == 0
    assert (near > width / 2 + 1)[found].sum() == 0


def test_inside_a_mask():
    inside = torch.zeros(tuple(SIZE), dtype=torch.bool)
    inside[:, :15] = True
    pixels = paint([(5.5, 5.5), (30.5, 5.5)], 3, SIZE, inside)
    assert pixels[:, 1].max() == 14
