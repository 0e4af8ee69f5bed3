from __future__ import annotations

import math

import pytest
import torch

from seemkit.nn.click_field import ClickField, RegionFeatures
from seemkit.nn.heads import mask_logits
from seemkit.ops.region import sample_pixels
from seemkit.types import Size

WIDTH, CHANNELS, COPIES, GRID = 8, 64, 2, 24


def bumps(field: ClickField, clicks: list[tuple[int, int]], negative: list[tuple[int, int]]) -> torch.Tensor:
    """What clicks at cells add to the masks of an image without content, [copies, GRID, GRID]."""
    features = field.append_positions(torch.zeros(1, WIDTH, GRID, GRID))

    def under(cells: list[tuple[int, int]]) -> torch.Tensor:
        if not cells:
            return torch.zeros(1, 1, WIDTH + CHANNELS)
        return torch.stack([features[0, :, y, x] for x, y in cells]).mean(0)[None, None]

    counts = torch.tensor([[[len(clicks), len(negative)]]], dtype=torch.float32)
    return mask_logits(field(RegionFeatures(under(clicks), under(negative), counts)), features)[0]


def test_a_click_raises_the_mask_most_where_it_is():
    field = ClickField(WIDTH, CHANNELS, COPIES)
    raised = bumps(field, [(5, 17)], [])
    for copy in raised:
        assert divmod(int(copy.argmax()), GRID) == (17, 5)
        assert copy.max() > 1.0
    lowered = bumps(field, [], [(5, 17)])
    torch.testing.assert_close(lowered, -raised)


def test_a_bump_is_close_to_two_gaussians():
    field = ClickField(WIDTH, 4096, 1, strength=1.0)
    features = field.append_positions(torch.zeros(1, WIDTH, GRID, GRID))
    mean = features[:, :, 12, 12][:, None]
    counts = torch.tensor([[[1.0, 0.0]]])
    raised = mask_logits(field(RegionFeatures(mean, torch.zeros_like(mean), counts)), features)[0, 0]
    for y, x in ((12, 12), (12, 14), (9, 12), (4, 20)):
        distance = math.hypot(y - 12, x - 12) / GRID
        expected = sum(math.exp(-0.5 * (2 * math.pi * b * distance) ** 2) for b in (1.4, 3.2))
        assert raised[y, x].item() == pytest.approx(expected, abs=0.15)


def test_copies_have_their_own_strength():
    field = ClickField(WIDTH, CHANNELS, COPIES)
    with torch.no_grad():
        field.raise_.copy_(torch.tensor([1.0, 3.0]))
    weak, strong = bumps(field, [(3, 3)], [])
    torch.testing.assert_close(strong, 3 * weak)


def test_objects_keep_their_own_clicks():
    field = ClickField(WIDTH, CHANNELS, COPIES)
    with torch.no_grad():
        torch.nn.init.normal_(field.positive, generator=torch.Generator().manual_seed(0))
    mean = torch.randn(1, 3, WIDTH + CHANNELS, generator=torch.Generator().manual_seed(1))
    counts = torch.ones(1, 3, 2)
    before = field(RegionFeatures(mean, mean, counts))
    other = mean.clone()
    other[:, 1] += 1
    changed = (field(RegionFeatures(other, mean, counts)) - before).abs().amax(dim=2)[0] > 0
    assert changed.tolist() == [False, False, True, True, False, False]


def test_content_under_the_clicks_counts():
    field = ClickField(WIDTH, CHANNELS, COPIES)
    with torch.no_grad():
        field.positive[0] = torch.eye(WIDTH)
        field.negative[0] = -2 * torch.eye(WIDTH)
    mean = torch.randn(1, 1, WIDTH + CHANNELS, generator=torch.Generator().manual_seed(1))
    found = field(RegionFeatures(mean, mean, torch.tensor([[[4.0, 4.0]]])))
    torch.testing.assert_close(found[0, 0, :WIDTH], -mean[0, 0, :WIDTH])
    assert bool((found[0, 1, :WIDTH] == 0).all())


def test_positions_are_the_same_for_every_network():
    assert torch.equal(ClickField(8, 16, 1).frequencies, ClickField(4, 16, 3).frequencies)


def test_position_channels_are_behind_the_features():
    features = torch.randn(2, WIDTH, 3, 5, generator=torch.Generator().manual_seed(0))
    found = ClickField(WIDTH, CHANNELS, 1).append_positions(features)
    assert found.shape == (2, WIDTH + CHANNELS, 3, 5)
    assert torch.equal(found[:, :WIDTH], features)
    assert torch.equal(found[0, WIDTH:], found[1, WIDTH:])
    under = sample_pixels(found, torch.zeros(2, 1, 2), Size(3, 5))
    torch.testing.assert_close(under[:, 0], found[:, :, 0, 0])
