from __future__ import annotations

import numpy as np
import pytest
import torch

from seemkit.ops.deepest import NONE, Deepest, deepest_pixel, deepest_pixels, deepest_together, squared_depth
from seemkit.ops.distance import exact_depth


def masks(generator: np.random.Generator, count: int, height: int, width: int) -> torch.Tensor:
    """Blobs of all sizes with holes and specks, and among them full and empty masks."""
    cell = int(generator.integers(1, 8))
    coarse = generator.random((count, height // cell + 1, width // cell + 1)) < generator.random((count, 1, 1)) * 1.2
    blobs = np.kron(coarse, np.ones((1, cell, cell), bool))[:, :height, :width]
    return torch.from_numpy(blobs ^ (generator.random(blobs.shape) < generator.choice([0, 0.001, 0.03])))


@pytest.mark.parametrize("seed", range(100))
def test_all_at_once_is_one_after_another(seed: int) -> None:
    """10,000 masks in all. Equal depths are frequent, so that the first of equals in raster order is tested too."""
    generator = np.random.default_rng(seed)
    height, width = (int(side) for side in generator.integers(1, 60, 2))
    found = masks(generator, 100, height, width)
    skipped = [
        [(int(generator.integers(width)), int(generator.integers(height))) for _ in range(generator.integers(3))]
        for _ in found
    ]
    alone = [deepest_pixel(mask.numpy()) for mask in found]
    skipped = [
        [*some, *([(one.x, one.y)] if index % 2 else [])]
        for index, (some, one) in enumerate(zip(skipped, alone, strict=True))
    ]
    assert deepest_together(found, skipped) == deepest_pixels(found, skipped)
    assert deepest_together(found, [[]] * 100) == alone


def test_squared_depths_are_exact() -> None:
    found = masks(np.random.default_rng(3), 20, 90, 70)
    wanted = np.stack([np.rint(exact_depth(mask.numpy()) ** 2) for mask in found])
    assert squared_depth(found).tolist() == wanted.tolist()


def test_no_pixel_is_left() -> None:
    nothing = torch.zeros(2, 4, 5, dtype=torch.bool)
    nothing[1, 2, 3] = True
    for measure in (deepest_together, deepest_pixels):
        assert measure(nothing, [[], [(3, 2)]]) == [NONE, NONE]
        assert measure(nothing, [[], []]) == [NONE, Deepest(1.0, 3, 2)]
        assert measure(nothing[:0], []) == []
