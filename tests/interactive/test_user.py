from __future__ import annotations

import pytest
import torch

from seemkit.errors import InputError
from seemkit.interactive.user import SimulatedUser, centre_click
from seemkit.prompts.values import Point


@pytest.fixture
def mask() -> torch.Tensor:
    mask = torch.zeros(30, 40, dtype=torch.bool)
    mask[5:14, 10:25] = True
    return mask


def prompts(user: SimulatedUser, mask, network, count: int = 40) -> list[list[Point]]:
    return [user.first_prompt(mask, network.sampler, torch.Generator().manual_seed(seed)) for seed in range(count)]


def test_centre_click_is_the_deepest_pixel(mask):
    assert centre_click(mask) == Point(14.5, 9.5)  # of equally deep pixels the first in raster order


def test_always_the_centre(mask, tiny_network):
    assert all(found == [centre_click(mask)] for found in prompts(SimulatedUser(centre=1.0), mask, tiny_network))


def test_never_the_centre(mask, tiny_network):
    found = prompts(SimulatedUser(), mask, tiny_network)
    assert all(points and all(mask[int(p.y), int(p.x)] for p in points) for points in found)
    assert max(len(points) for points in found) > 10


def test_sometimes_the_centre(mask, tiny_network):
    found = prompts(SimulatedUser(centre=0.5), mask, tiny_network, 100)
    assert 30 < sum(points == [centre_click(mask)] for points in found) < 70


def test_kinds_by_their_frequency(mask, tiny_network):
    user = SimulatedUser(kinds={"point": 1.0, "text": 3.0})  # a text cannot be drawn from a mask
    found = prompts(user, mask, tiny_network, 100)
    assert 60 < sum(points == [] for points in found) < 90


def test_an_unknown_kind(mask, tiny_network):
    with pytest.raises(InputError, match=r"'lasso' is not installed; installed: .*point"):
        prompts(SimulatedUser(kinds={"lasso": 1.0}), mask, tiny_network)


def test_objects_that_are_too_small(tiny_network):
    mask = torch.zeros(30, 40, dtype=torch.bool)
    mask[3, 4:13] = True
    assert prompts(SimulatedUser(centre=0.5), mask, tiny_network, 3) == [[], [], []]
