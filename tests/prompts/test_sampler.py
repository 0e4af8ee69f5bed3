from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from seemkit.errors import InputError
from seemkit.nn.tokens import ABSENT
from seemkit.ops.region import sample_pixels
from seemkit.prompts.encoder import PromptContext
from seemkit.prompts.groups import EncodedGroup
from seemkit.prompts.registry import installed
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Point, Prompt, Text
from seemkit.types import Size
from tests.networks import picture

MAX_POINTS = 512


def sample(network, context, prompts, side: int = 1) -> dict[str, EncodedGroup]:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sampler = VisualSampler(network.sampler.level_projection[0].shape[0], installed(), {"point": {"side": side}})
        return sampler(prompts, PromptContext(context, network.language, network.other_images))


@pytest.fixture
def pair(network):
    with torch.no_grad():
        return network.encode_image([picture(60, 90), picture(64, 70, seed=1)])


def test_tokens_are_the_features_under_the_points(network, context):
    points = [Point(40.5, 12.5), Point(3.5, 50.5), Point(80.5, 7.5, positive=False)]
    with torch.no_grad():
        found = network.sampler([[points]], PromptContext(context, network.language, network.other_images))[
            "visual_prompt"
        ]
        places = [(12, 40), (50, 3), (7, 80)]  # positives in raster order, then negatives
        for level in range(3):
            cells = (context.levels[level] @ network.sampler.level_projection[level])[0]
            plane = cells.T.unflatten(1, tuple(context.shapes[level]))[None]
            for index, place in enumerate(places):
                sign = network.sampler.sign(torch.tensor(index == 2).long())
                at = sample_pixels(plane, torch.tensor([[place]]).float(), context.padded)[0, 0]
                torch.testing.assert_close(found.tokens.values[level][0, index], at + sign, atol=1e-5, rtol=0)
    assert torch.equal(torch.stack(found.tokens.values), torch.stack(found.tokens.positions))
    assert found.tokens.owner.tolist() == [[[0, 0, 0]]]


def test_pooled_is_the_mean_mask_feature_of_the_positives(network, context):
    objects = [[Point(5.5, 6.5), Point(70.5, 40.5), Point(1.5, 1.5, positive=False)], [Point(30.5, 20.5)]]
    found = sample(network, context, [objects])["visual_prompt"]
    pixels = torch.tensor([[[6.0, 5], [40, 70], [1, 1], [20, 30]]])
    at = sample_pixels(context.mask_features, pixels, context.padded)[0]
    expected = torch.stack([at[:2].mean(0), at[3]])
    torch.testing.assert_close(found.pooled[0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.regions.positive[0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.regions.negative[0], torch.stack([at[2], 0 * at[2]]), atol=1e-5, rtol=0)
    assert found.regions.counts.tolist() == [[[2, 1], [1, 0]]]


def test_an_object_of_negatives_only_is_minus_one(network, context):
    found = sample(network, context, [[[Point(5, 5, positive=False)]]])["visual_prompt"]
    assert bool((found.pooled == -1).all())
    assert bool((found.regions.positive == 0).all())


def test_regions_of_one_object_are_united(network, context):
    once = sample(network, context, [[[Point(20.5, 20.5), Point(22.5, 20.5)]]], side=3)["visual_prompt"]
    twice = sample(network, context, [[[Point(22.5, 20.5), Point(20.5, 20.5), Point(22.5, 20.5)]]], side=3)[
        "visual_prompt"
    ]
    assert once.tokens.count == 15  # two squares of nine pixels share three
    assert torch.equal(once.tokens.values[0], twice.tokens.values[0])
    assert torch.equal(once.pooled, twice.pooled)


def test_objects_without_visual_prompts_are_left_out(network, context):
    found = sample(network, context, [[[], [Point(5, 5)], [Text("star")], [Point(9, 9), Text("ring")]]])
    visual, text = found["visual_prompt"], found["text_prompt"]
    assert visual.owners.tolist() == [[1, 3]]
    assert visual.tokens.owner.tolist() == [[[1, 3]]]
    assert text.owners.tolist() == [[2, 3]]
    assert set(text.tokens.owner.flatten().tolist()) == {2, 3}


def test_padding_of_a_batch(network, pair):
    found = sample(network, pair, [[[Point(5, 5)]], [[Point(9, 9), Point(20, 20)], [Point(30, 30)]]])["visual_prompt"]
    assert found.owners.tolist() == [[0, ABSENT], [0, 1]]
    assert found.tokens.owner.tolist() == [[[0, ABSENT, ABSENT], [0, 0, 1]]]
    assert found.tokens.valid.tolist() == [[True, False, False], [True] * 3]
    assert found.regions.counts[0].tolist() == [[1, 0], [0, 0]]


def test_texts_of_one_object_are_averaged(network, context):
    texts = ["the red star", "ring"]
    found = sample(network, context, [[[Text(text) for text in texts]]])["text_prompt"]
    with torch.no_grad():
        expected = network.language(texts)
    torch.testing.assert_close(found.pooled[0, 0], expected.sentence.mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.tokens.values[0][0], expected.tokens[expected.valid], atol=1e-5, rtol=0)


def test_images_have_their_own_texts(network, pair):
    found = sample(network, pair, [[[Text("star")]], [[Text("the red ring")], [Text("sky")]]])["text_prompt"]
    alone = sample(network, pair, [[[Text("star")]], []])["text_prompt"]
    assert found.tokens.valid.tolist() == [[True] * 3 + [False] * 5, [True] * 8]
    assert found.owners.tolist() == [[0, ABSENT], [0, 1]]
    torch.testing.assert_close(found.pooled[0, 0], alone.pooled[0, 0], atol=1e-5, rtol=0)
    assert alone.owners.tolist() == [[0], [ABSENT]]
    assert not alone.tokens.valid[1].any()


@pytest.mark.parametrize("objects", [1, 2, 3])
def test_large_regions_share_the_points_of_their_image(network, context, objects):
    prompts = [[Point(20 + 20 * n, 30), Point(25 + 20 * n, 30, positive=False)] for n in range(objects)]
    found = sample(network, context, [prompts], side=30)["visual_prompt"]
    positives = found.regions.counts[0, :, 0]
    assert int(positives.sum()) <= MAX_POINTS
    assert found.tokens.count <= 2 * MAX_POINTS
    assert positives.tolist() == [MAX_POINTS // objects] * objects


def test_the_number_of_points_is_an_option(network, context):
    small = VisualSampler(network.architecture.embed_dim, installed(), {"point": {"side": 9}}, most=20)
    prompts = [[[Point(30, 30)], [Point(60, 30), Point(20, 50, positive=False)]]]
    with torch.no_grad():
        found = small(prompts, PromptContext(context, network.language, network.other_images))["visual_prompt"]
    assert found.regions.counts[0].tolist() == [[10, 0], [10, 10]]


def test_few_points_are_all_used(network, context):
    found = sample(network, context, [[[Point(30, 30)], [Point(60, 30)]]], side=16)["visual_prompt"]
    assert found.regions.counts[0, :, 0].tolist() == [256, 256]
    assert found.tokens.count == 512


def test_the_points_of_an_image_do_not_depend_on_its_neighbors(network, pair):
    many = [[Point(10 + 20 * n, 30)] for n in range(3)]
    alone = sample(network, pair, [[[Point(30, 30)]], []], side=30)["visual_prompt"]
    beside = sample(network, pair, [[[Point(30, 30)]], many], side=30)["visual_prompt"]
    assert beside.regions.counts[0, 0].tolist() == alone.regions.counts[0, 0].tolist() == [MAX_POINTS, 0]
    torch.testing.assert_close(beside.pooled[0, 0], alone.pooled[0, 0], atol=1e-5, rtol=0)


def test_wrong_number_of_images(network, context):
    with pytest.raises(InputError, match="given for 2 images, but 1 are encoded"):
        sample(network, context, [[[Point(5, 5)]], [[Point(5, 5)]]])


def test_points_are_checked_against_their_own_image(network):
    with torch.no_grad():
        both = network.encode_image([picture(60, 90), picture(64, 70)], [Size(600, 900), Size(64, 70)])
    sample(network, both, [[[Point(899, 599)]], [[Point(69, 63)]]])
    with pytest.raises(InputError, match="point 80,5 is outside the image of 70 x 64 pixels"):
        sample(network, both, [[[Point(80, 5)]], [[Point(80, 5)]]])


def test_a_prompt_of_no_installed_kind(network, context):
    @dataclass(frozen=True)
    class Smell(Prompt):
        strength: float

    with pytest.raises(InputError, match="no installed prompt kind takes a Smell"):
        sample(network, context, [[[Smell(1.0)]]])


def test_no_prompts_make_no_group(network, context):
    assert sample(network, context, [[[], []]]) == {}
    assert sample(network, context, [[]]) == {}


def test_a_prepared_prompt_is_not_drawn_again(network, context, monkeypatch):
    prompts = [Point(20.5, 20.5), Point(30.5, 20.5, positive=False), Text("star")]
    expected = sample(network, context, [[prompts]], side=3)
    prepared = network.sampler.prepare(prompts, context.frames[0], network.other_images)
    encoder = type(network.sampler.kind("point"))
    monkeypatch.setattr(encoder, "region", None)
    found = network.sampler([[prepared]], PromptContext(context, network.language, network.other_images))
    with pytest.raises(TypeError):
        network.sampler([[prompts]], PromptContext(context, network.language, network.other_images))
    assert found["visual_prompt"].tokens.count == len(prepared[0].region.positive) + len(prepared[1].region.negative)
    assert found.keys() == expected.keys()


def test_a_region_drawn_for_another_image(network, context):
    prepared = network.sampler.prepare([Point(20.5, 20.5)], Size(60, 91), network.other_images)
    with pytest.raises(InputError, match=r"drawn for an image of \[60, 91\] does not fit an image of \[60, 90\]"):
        sample(network, context, [[prepared]])
