from __future__ import annotations

import numpy as np
import pytest

from seemkit.ops.distance import exact_depth, kornia_depth


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((30, 40), dtype=bool)
    mask[3:20, 5:30] = True
    mask[8, 9] = False
    mask[25:, 35:] = True
    return mask


def test_exact_depth_is_the_nearest_outside(mask):
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    depth = exact_depth(mask)
    for y, x in np.argwhere(mask):
        assert depth[y, x] == pytest.approx(np.hypot(*(outside - (y, x)).T).min())
    assert (depth[~mask] == 0).all()


def test_kornia_depth_is_about_a_chess_board_metric(mask):
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    depth = kornia_depth(mask)
    assert (depth[~mask] == 0).all()
    for y, x in np.argwhere(mask):
        rings = np.abs(outside - (y, x)).max(axis=1).min()
        assert abs(depth[y, x] - ((rings - 1) * 3 // 2 + 1)) < 0.75


@pytest.mark.parametrize("measure", [exact_depth, kornia_depth])
def test_the_border_is_an_edge_and_nothing_has_no_depth(measure):
    full = measure(np.ones((5, 5), dtype=bool))
    assert np.unravel_index(full.argmax(), full.shape) == (2, 2)
    assert full[0, 0] > 0
    assert not measure(np.zeros((5, 5), dtype=bool)).any()
