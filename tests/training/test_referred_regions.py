from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit.prompts.prepared import EncodedRegion
from seemkit.prompts.values import Point
from seemkit.training import referred_regions
from seemkit.training.referred_regions import refer
from seemkit.training.step_prompts import SampledPrompts
from seemkit.types import Batch, Target
from tests.networks import final_masks, picture


def target(labels: list[int], colors: list[str], name: str) -> Target:
    """Squares side by side."""
    masks = torch.zeros(len(labels), 64, 96, dtype=torch.bool)
    for row in range(len(labels)):
        masks[row, 10:40, 30 * row + 2 : 30 * row + 28] = True
    attributes = tuple((color,) for color in colors)
    crowd = torch.zeros(len(labels), dtype=torch.bool)
    return Target(masks, torch.tensor(labels), crowd, name=name, attributes=attributes)


@pytest.fixture
def batch() -> Batch:
    targets = [target([2, 2], ["red", "blue"], "a.png"), target([2, 1, 2], ["red", "red", "green"], "b.png")]
    return Batch([picture(64, 96), picture(64, 96, seed=1)], targets)


SAMPLED = [
    SampledPrompts([0, 1], [0, 1], [[Point(10.5, 20.5)], [Point(40.5, 20.5)]], [], named=False),
    SampledPrompts([0, 1, 2], [2], [[Point(70.5, 20.5)]], [], named=False),
]


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(2)]


def test_regions_show_the_same_or_its_like(tiny_network, batch, monkeypatch):
    """The red star of a.png is that of b.png; the others have no like, so their own images are mirrored."""
    asked: list[tuple[torch.Tensor, int]] = []
    describe = tiny_network.sampler.describe

    def listen(prompts, image):
        asked.append((prompts[0].mask, image.mask_features.data_ptr()))
        return describe(prompts, image)

    monkeypatch.setattr(tiny_network.sampler, "describe", listen)
    with torch.no_grad():
        context = tiny_network.encode_image(batch.images)
        found = refer(SAMPLED, batch, context, tiny_network, 1.0, generators())
    assert all(isinstance(given, EncodedRegion) for one in found for (given,) in one.first_prompts)
    assert [one.objects for one in found] == [[0, 1], [2]]
    like, mirrored, other = asked
    assert torch.equal(like[0], batch.targets[1].masks[0])
    assert like[1] == context.repeat(1, 1).mask_features.data_ptr()
    assert torch.equal(mirrored[0], batch.targets[0].masks[1].flip(-1))
    assert torch.equal(other[0], batch.targets[1].masks[2].flip(-1))
    assert mirrored[1] not in {context.repeat(index, 1).mask_features.data_ptr() for index in range(2)}


def test_a_share_of_the_objects(tiny_network, batch):
    with torch.no_grad():
        context = tiny_network.encode_image(batch.images)
        same = refer(SAMPLED, batch, context, tiny_network, 0.0, generators())
    assert same == SAMPLED


def test_altered_views_are_mirrored_and_of_another_brightness():
    image = picture(64, 96)
    altered = referred_regions._alter(image, torch.Generator().manual_seed(0))
    assert altered.shape == image.shape
    assert not torch.equal(altered, image.flip(-1).float())
    pairs = torch.stack((altered.flatten(), image.flip(-1).float().flatten()))
    assert float(torch.corrcoef(pairs)[0, 1]) > 0.95


def test_clicks_follow_a_region(field_network, batch):
    with torch.no_grad():
        context = field_network.encode_image(batch.images)
        found = refer(SAMPLED, batch, context, field_network, 1.0, generators())
    prompts = [one.first_prompts for one in found]
    prepared = [[field_network.prepare(given, context.frames[0]) for given in image] for image in prompts]
    assert [list(given) for image in prepared for given in image] == [list(g) for image in prompts for g in image]
    clicked = [[[*given, Point(50.5, 50.5, positive=False)] for given in image] for image in prompts]
    first, second = (final_masks(field_network, context, given) for given in (prompts, clicked))
    assert first.isfinite().all()
    assert not torch.allclose(first[0, 0], second[0, 0], atol=1e-3)


def test_a_region_does_not_tell_where_it_was(field_network, batch):
    """Its vector has nothing in the channels of positions."""
    with torch.no_grad():
        context = field_network.encode_image(batch.images)
        (one, _) = refer(SAMPLED, batch, context, field_network, 1.0, generators())
    region = one.first_prompts[0][0]
    assert isinstance(region, EncodedRegion)
    width = field_network.architecture.embed_dim
    assert not region.tokens.pooled[width:].any()
    assert region.tokens.pooled[:width].any()


def test_attributes_are_compared(batch):
    first, second = batch.targets
    assert first.appearance(0) == second.appearance(0)
    assert first.appearance(1) != second.appearance(0)
    assert replace(first, attributes=()).appearance(0) == (2, ())
