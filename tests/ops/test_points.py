from __future__ import annotations

import math

import pytest
import torch

from seemkit.ops.points import sample_points, uncertain_points


def naive(features: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """Bilinear features [C] of one map at a point in 0..1; outside of the cells' centers zeros are mixed in."""
    height, width = features.shape[1:]
    column, row = x * width - 0.5, y * height - 0.5
    total = torch.zeros(len(features))
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < height and 0 <= c < width:
                total += features[:, r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return total


def test_sample_points_is_bilinear():
    generator = torch.Generator().manual_seed(0)
    features, points = torch.randn(2, 3, 4, 7, generator=generator), torch.rand(2, 20, 2, generator=generator)
    found = sample_points(features, points)
    for b in range(2):
        for n in range(20):
            expected = naive(features[b], *points[b, n].tolist())
            torch.testing.assert_close(found[b, :, n], expected, atol=1e-5, rtol=0)


def test_center_of_a_cell():
    features = torch.arange(12.0).view(1, 1, 3, 4)
    assert sample_points(features, torch.tensor([[[0.625, 0.5]]])).item() == pytest.approx(6.0)


def test_most_points_are_the_least_certain_candidates():
    ramp = torch.linspace(-8, 8, 64).expand(1, 1, 64, 64).contiguous()  # zero in the middle column
    points = uncertain_points(ramp, 400, torch.Generator().manual_seed(0)).of_masks()
    assert points.shape == (1, 1, 400, 2)
    assert bool(((points >= 0) & (points <= 1)).all())
    chosen, rest = points[0, 0].split((300, 100))
    inner = chosen[(chosen[:, 1] - 0.5).abs() < 0.49]  # in the outer half of the border cells zeros are mixed in
    # 300 of 1200 uniform candidates lie within 1/8 of the middle, the other 100 points anywhere
    assert (inner[:, 0] - 0.5).abs().max() < 0.15
    assert (rest[:, 0] - 0.5).abs().max() > 0.4


def test_uncertain_points_repeat_with_their_generator():
    logits = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    first, second, other = (uncertain_points(logits, 16, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first.of_masks(), second.of_masks())
    assert not torch.equal(first.points, other.points)


def test_each_mask_of_an_image_chooses_its_own_points():
    ramp = torch.linspace(-8, 8, 64).expand(64, 64)
    found = uncertain_points(torch.stack((ramp, ramp.T))[None], 400, torch.Generator().manual_seed(0))
    across, down = found.of_masks()[0]
    assert (across[:300, 0] - 0.5).abs().mean() < (across[:300, 1] - 0.5).abs().mean()
    assert (down[:300, 1] - 0.5).abs().mean() < (down[:300, 0] - 0.5).abs().mean()
    assert torch.equal(across[300:], down[300:])
