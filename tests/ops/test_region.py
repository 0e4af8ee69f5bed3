from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seemkit.ops.region import Region, sample_pixels, square, thin
from seemkit.types import Size


def pixels(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def test_union_has_each_pixel_once_in_raster_order():
    found = Region.union([
        Region.of(pixels((3, 1), (0, 2)), positive=True),
        Region.of(pixels((0, 2), (9, 9)), positive=False),
        Region.of(pixels((0, 2), (3, 0)), positive=True),
    ])  # fmt: skip
    assert found.positive.tolist() == [[0, 2], [3, 0], [3, 1]]
    assert found.negative.tolist() == [[0, 2], [9, 9]]


def test_union_of_one_region():
    found = Region.union([Region.of(pixels((3, 1), (0, 2), (3, 1)), positive=True)])
    assert found.positive.tolist() == [[0, 2], [3, 1]]
    assert found.negative.tolist() == []


def test_region_of_a_mask():
    mask = torch.tensor([[False, True], [True, False]])
    found = Region.from_mask(mask, positive=False)
    assert found.positive.shape == (0, 2)
    assert found.negative.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("row", "column", "side", "expected"),
    [
        (2, 2, 1, {(2, 2)}),
        (2, 2, 3, {(r, c) for r in (1, 2, 3) for c in (1, 2, 3)}),
        (0, 4, 3, {(r, c) for r in (0, 1) for c in (3, 4)}),
        (3, 0, 5, {(r, c) for r in (1, 2, 3) for c in (0, 1, 2)}),
    ],
)
def test_square_is_clipped_to_the_image(row, column, side, expected):
    found = square(row, column, side, Size(4, 5)).tolist()
    assert len(found) == len(expected)
    assert {tuple(pixel) for pixel in found} == expected


@pytest.mark.parametrize("count", [1, 511, 512, 513, 700, 100_000])
def test_thin_keeps_at_most_so_many_evenly(count):
    given = np.stack((np.arange(count), np.arange(count) * 2), axis=1)
    found = thin(given, 512)
    assert len(found) == min(count, 512)
    rows = found[:, 0]
    gaps = np.diff(rows)
    if count > 512:
        assert (int(rows[0]), int(rows[-1])) == (0, count - 1)
        assert int(gaps.max()) - int(gaps.min()) <= 1
    assert bool((gaps > 0).all())
    assert found[:, 1].tolist() == (2 * rows).tolist()


def naive(features: torch.Tensor, row: float, column: float, size: Size) -> torch.Tensor:
    """Pixel i of n lands at i / n of the way from the first to the last cell."""
    height, width = features.shape[1:]
    y, x = row / size.height * (height - 1), column / size.width * (width - 1)
    total = torch.zeros(len(features))
    for r in (math.floor(y), math.floor(y) + 1):
        for c in (math.floor(x), math.floor(x) + 1):
            if r < height and c < width:
                total += features[:, r, c] * (1 - abs(y - r)) * (1 - abs(x - c))
    return total


def test_sample_pixels_is_the_formula():
    generator = torch.Generator().manual_seed(0)
    features, size = torch.randn(2, 3, 5, 8, generator=generator), Size(40, 64)
    places = torch.rand(2, 30, 2, generator=generator) * torch.tensor([39.0, 63.0])
    places[:, 0], places[:, 1] = torch.zeros(2), torch.tensor([39.0, 63.0])
    found = sample_pixels(features, places, size)
    assert found.shape == (2, 30, 3)
    for b in range(2):
        for n in range(30):
            expected = naive(features[b], *places[b, n].tolist(), size)
            torch.testing.assert_close(found[b, n], expected, atol=1e-4, rtol=0)
