"""Outlines of masks as polygons."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seemkit.ops.outline import INSET, joined, parts


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.integers(1, 12), st.integers(1, 12))
def test_rounded_down_and_filled_they_are_the_mask(seed, share, height, width):
    mask = np.random.default_rng(seed).random((height, width)) < share
    filled = np.zeros(mask.shape, np.uint8)
    for part in parts(torch.from_numpy(mask), INSET):
        one = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(one, [ring.astype(np.int32) for ring in (part.outer, *part.holes)], 1)
        filled |= one
    assert np.array_equal(filled > 0, mask)


def test_joined_is_one_ring_with_the_holes():
    y, x = np.mgrid[:60, :80]
    away = np.hypot(y - 30, x - 40)
    mask = (away < 25) & (away > 12)
    ring = joined(torch.from_numpy(mask))
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(filled, [ring.astype(np.int32)], 1)
    assert np.array_equal(filled > 0, mask)
    assert len(joined(torch.zeros(60, 80, dtype=torch.bool))) == 0
