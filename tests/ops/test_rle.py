from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from seemkit.ops.rle import decode_mask, encode_mask


@settings(deadline=None)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=30)))
def test_there_and_back(mask):
    encoded = encode_mask(torch.from_numpy(mask))
    assert torch.equal(decode_mask(encoded), torch.from_numpy(mask))
    assert coco_mask.area({**encoded, "counts": encoded["counts"].encode()}) == mask.sum()


def test_long_runs():
    mask = torch.zeros(3000, 2000, dtype=torch.bool)
    mask[5:2000, 3:1700] = True
    assert torch.equal(decode_mask(encode_mask(mask)), mask)


@settings(deadline=None)
@given(st.text(max_size=12))
def test_no_string_crashes_the_decoder(counts):
    with contextlib.suppress(ValueError):
        assert decode_mask({"size": [4, 5], "counts": counts}).shape == (4, 5)


@pytest.mark.parametrize(
    "encoded", [{}, {"size": [0, 4], "counts": ""}, {"size": [2, 2], "counts": 3}, {"size": [2.0, 2]}]
)
def test_what_is_no_mask(encoded):
    with pytest.raises(ValueError, match="run-length mask"):
        decode_mask(encoded)
