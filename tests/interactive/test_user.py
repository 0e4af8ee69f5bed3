from __future__ import annotations

import pytest
import torch

from seemkit import Scribble, Text
from seemkit.errors import InputError
from seemkit.interactive.clicker import center_click
from seemkit.interactive.user import SimulatedUser
from seemkit.plugin import Subject
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Point


@pytest.fixture
def mask() -> torch.Tensor:
    mask = torch.zeros(30, 40, dtype=torch.bool)
    mask[5:14, 10:25] = True
    return mask


def prompts(user: SimulatedUser, mask, network, count: int = 40) -> list[list[Point]]:
    return [
        user.first_prompts(
            Subject(mask, "star", ("the red star",)), network.sampler, torch.Generator().manual_seed(seed)
        )
        for seed in range(count)
    ]


def test_center_click_is_the_deepest_pixel(mask):
    assert center_click(mask) == Point(14.5, 9.5)  # of equally deep pixels the first in raster order


def test_always_the_center(mask, tiny_network):
    assert all(found == [center_click(mask)] for found in prompts(SimulatedUser(center=1.0), mask, tiny_network))


def test_never_the_center(mask, tiny_network):
    found = prompts(SimulatedUser(kinds={"point": 1}), mask, tiny_network)
    assert all(points and all(mask[int(p.y), int(p.x)] for p in points) for points in found)
    assert max(len(points) for points in found) > 10


def test_sometimes_the_center(mask, tiny_network):
    found = prompts(SimulatedUser(center=0.5, kinds={"point": 1}), mask, tiny_network, 100)
    assert 30 < sum(points == [center_click(mask)] for points in found) < 70


def test_kinds_by_their_frequency(mask, tiny_network):
    user = SimulatedUser(kinds={"point": 1.0, "referred-region": 3.0})  # which needs another image
    found = prompts(user, mask, tiny_network, 100)
    assert 60 < sum(points == [] for points in found) < 90


def test_an_unknown_kind(mask, tiny_network):
    with pytest.raises(InputError, match=r"'lasso' is not installed; installed: .*point"):
        prompts(SimulatedUser(kinds={"lasso": 1.0}), mask, tiny_network)


def test_objects_that_are_too_small(tiny_network):
    mask = torch.zeros(30, 40, dtype=torch.bool)
    mask[3, 4:13] = True
    assert prompts(SimulatedUser(center=0.5), mask, tiny_network, 3) == [[], [], []]


def test_the_reference_s_kinds_are_all_drawn(mask, tiny_network):
    names = {type(prompt).__name__ for found in prompts(SimulatedUser(), mask, tiny_network) for prompt in found}
    assert names == {"Point", "Polygon", "Scribble", "Circle"}


def test_some_objects_are_also_described(mask, tiny_network):
    user = SimulatedUser(kinds={"scribble": 1.0}, described=0.5)
    found = prompts(user, mask, tiny_network, 100)
    texts = [prompt.text for given in found for prompt in given if isinstance(prompt, Text)]
    assert 30 < len(texts) < 70
    assert set(texts) == {"star", "the red star"}
    assert all(isinstance(given[0], Scribble) for given in found)


@pytest.mark.parametrize(
    "settings",
    [{"kinds": {}}, {"kinds": {"point": 0.0}}, {"kinds": {"point": 2, "box": -1}}, {"center": 1.5}],
)
def test_settings_that_are_none(settings):
    with pytest.raises(InputError, match=r"sampling.user\."):
        SimulatedUser(**settings)


def test_first_prompts_are_those_that_clicks_can_follow():
    SimulatedUser(kinds={"point": 1.0, "box": 2.0, "referred-region": 1.0}).check(installed())
    with pytest.raises(InputError, match="'text' does not select among visual queries"):
        SimulatedUser(kinds={"point": 1.0, "text": 1.0}).check(installed())
    with pytest.raises(InputError, match="'lasso' is not installed"):
        SimulatedUser(kinds={"lasso": 1.0}).check(installed())
