"""Masks are sampled as torchvision resizes, crops and pads them."""

from __future__ import annotations

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from seemkit.data.loading.mask_samples import nearest, sample_masks


def masks(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((3, height, width), generator=torch.Generator().manual_seed(seed)) < 0.5


@pytest.mark.parametrize("old", [1, 3, 37, 360, 427, 640])
@pytest.mark.parametrize("new", [1, 2, 37, 99, 275, 555, 640, 1024, 1279])
def test_nearest_is_that_of_interpolation(old: int, new: int) -> None:
    given = masks(old, 5)
    wanted = functional.resize(tv_tensors.Mask(given), [new, 7])
    assert torch.equal(sample_masks(given, nearest(old, new), nearest(5, 7)), wanted)


@pytest.mark.parametrize("seed", range(30))
def test_a_window_is_what_cropping_and_padding_give(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    height, width, new_height, new_width = torch.randint(1, 90, (4,), generator=generator).tolist()
    top, left = torch.randint(-40, 40, (2,), generator=generator).tolist()
    given = masks(height, width, seed)
    resized = functional.resize(tv_tensors.Mask(given), [new_height, new_width])
    wanted = torch.zeros(3, 50, 60, dtype=torch.bool)
    for row in range(50):
        for column in range(60):
            if 0 <= row + top < new_height and 0 <= column + left < new_width:
                wanted[:, row, column] = resized[:, row + top, column + left]
    rows, columns = (
        torch.tensor([int(places[i + start]) if 0 <= i + start < len(places) else (-1 if i + start < 0 else old)
                      for i in range(count)])
        for places, start, count, old in (
            (nearest(height, new_height), top, 50, height), (nearest(width, new_width), left, 60, width)
        )
    )  # fmt: skip
    assert torch.equal(sample_masks(given, rows, columns), wanted)


def test_no_masks() -> None:
    assert sample_masks(masks(4, 4)[:0], torch.arange(6), torch.arange(3)).shape == (0, 6, 3)
