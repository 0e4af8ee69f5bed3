from __future__ import annotations

import pytest
import torch

from seemkit.ops.memory_format import channels_last


@pytest.mark.parametrize("batch", [1, 2])
def test_the_same_values_with_channels_side_by_side(batch):
    maps = torch.randn(batch, 3, 4, 5)
    found = channels_last(maps)
    assert torch.equal(found, maps)
    assert found.stride() == (60, 1, 15, 3)


def test_maps_that_lie_so_are_not_copied():
    maps = torch.randn(2, 4, 5, 3).permute(0, 3, 1, 2)
    assert channels_last(maps).data_ptr() == maps.data_ptr()


@pytest.mark.parametrize("odd", [lambda m: m[1][None], lambda m: m[1:].expand(1, -1, -1, -1)])
def test_of_a_single_image_the_strides_are_those_that_convolutions_know(odd):
    maps = odd(torch.randn(2, 4, 5, 3).permute(0, 3, 1, 2))
    found = channels_last(maps)
    assert found.data_ptr() == maps.data_ptr()
    assert found.stride() == (60, 1, 15, 3)
