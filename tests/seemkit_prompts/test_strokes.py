from __future__ import annotations

import numpy as np
import torch

from seemkit.plugin import Size, numpy_generator
from seemkit_prompts.strokes import Brush, random_stroke, random_strokes

SIZE = Size(40, 50)
BRUSH = Brush((10, 30), speed=20, acceleration=15, turn=0.5, width=(3, 10), jitter=3, drift=6)


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
