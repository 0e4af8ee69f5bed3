from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from seemkit.plugin import numpy_generator, paint
from seemkit.types import Size
from seemkit_prompts.strokes import Brush, random_stroke, random_strokes

SIZE = Size(40, 50)
BRUSH = Brush((10, 30), speed=20, acceleration=15, turn=0.5, width=(3, 10), jitter=3, drift=6)


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


def test_random_strokes_keep_to_their_brush():
    mask = torch.zeros(300, 400, dtype=torch.bool)
    mask[100:200, 150:250] = True
    counts = set()
    for seed in range(60):
        strokes = random_strokes(mask, [BRUSH], 5, 1.0, torch.Generator().manual_seed(seed))
        counts.add(len(strokes))
        for stroke in strokes:
            assert 10 <= len(stroke.points) < 30
            assert 3 <= stroke.width < 10
            steps = np.hypot(*np.diff(np.array(stroke.points), axis=0).T)
            assert steps.max() <= BRUSH.speed + 2 * np.hypot(3, 3)
    assert counts == {1, 2, 3, 4, 5}


def test_scale_is_of_all_lengths():
    whole, half = (random_stroke((0.0, 0.0), BRUSH, scale, np.random.default_rng(3)) for scale in (1.0, 0.5))
    np.testing.assert_allclose(np.array(half.points) * 2, whole.points)
    assert half.width == whole.width / 2


def test_one_pixel_gives_one_stroke():
    mask = torch.zeros(30, 40, dtype=torch.bool)
    mask[3, 4] = True
    assert len(random_strokes(mask, [BRUSH], 5, 0.1, torch.Generator().manual_seed(0))) == 1


def test_the_generator_is_the_only_source():
    first, second, other = (numpy_generator(torch.Generator().manual_seed(s)).random() for s in (1, 1, 2))
    assert first == second != other
