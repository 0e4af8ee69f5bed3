from __future__ import annotations

import numpy as np
import pytest
import torch
from seemkit_lasso import Lasso, LassoEncoder

from seemkit.errors import InputError
from seemkit.plugin import Subject
from seemkit.testing import check_prompt_encoder
from seemkit.types import Size

SQUARE = Lasso(((10, 10), (30, 10), (30, 25), (10, 25)))


def test_it_keeps_to_the_interface():
    check_prompt_encoder(LassoEncoder(8), [SQUARE], words=["10,10,30,10,20,25"])


def test_what_lies_within():
    pixels = LassoEncoder(8).region(SQUARE, Size(64, 96)).positive
    assert len(pixels) == 21 * 16
    assert pixels.min(axis=0).tolist() == [10, 10]
    assert pixels.max(axis=0).tolist() == [25, 30]


def test_a_simulated_lasso_holds_nearly_all_of_the_object():
    mask = torch.zeros(64, 96, dtype=torch.bool)
    mask[12:40, 20:70] = True
    mask[40:50, 20:30] = True
    encoder = LassoEncoder(8)
    for seed in range(20):
        (lasso,) = encoder.simulate(Subject(mask), torch.Generator().manual_seed(seed))
        inside = np.zeros(mask.shape, dtype=bool)
        inside[tuple(encoder.region(lasso, Size(64, 96)).positive.T)] = True
        assert (inside & mask.numpy()).sum() > 0.95 * int(mask.sum())
        assert inside.sum() < 3 * int(mask.sum())


@pytest.mark.parametrize("points", [((1, 2), (3, 4)), ((1, 2), (3, 4), (5, float("nan"))), 3, ((1, 2, 3),) * 3])
def test_no_lasso(points):
    with pytest.raises(InputError, match="lasso"):
        Lasso(points)


def test_a_negative_lasso():
    with pytest.raises(InputError, match="no sign"):
        LassoEncoder.parse("-10,10,30,10,20,25")
