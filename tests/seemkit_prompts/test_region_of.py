from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit import Point, RegionOf, Session, Text
from seemkit.errors import InputError
from seemkit.nn.tokens import ABSENT
from seemkit.prompts.prepared import EncodedRegion
from seemkit.prompts.registry import installed
from tests.networks import decode, every_layer, picture


@pytest.fixture
def other(network):
    with torch.no_grad():
        return network.encode_image([picture(70, 50, seed=3)])


CLICKS = (Point(10, 12), Point(30, 40, positive=False))


def test_a_region_of_the_same_image_is_the_region_itself(tiny_network):
    with torch.no_grad():
        context = tiny_network.encode_image([picture(60, 90)])
    here = decode(tiny_network, context, list(CLICKS))
    referred = decode(tiny_network, context, [RegionOf(context, CLICKS)])
    assert every_layer(here, referred, "visual_query")


def test_it_is_the_other_image_that_counts(network, context, other):
    first = decode(network, context, [RegionOf(other, CLICKS)])
    second = decode(network, context, [RegionOf(other, CLICKS[:1])])
    assert not every_layer(first, second, "visual_query")
    pooled = network.sampler.describe(CLICKS, other).pooled
    torch.testing.assert_close(first.prompts["visual_prompt"].pooled[0, 0], pooled)


def test_tokens_that_are_made_already(network, context, other):
    made = EncodedRegion(network.sampler.describe(CLICKS, other))
    for beside in ([], [Point(50, 20)], [Text("star")]):
        expected = decode(network, context, [RegionOf(other, CLICKS), *beside], [Point(5, 5)])
        assert every_layer(decode(network, context, [made, *beside], [Point(5, 5)]), expected, "visual_query")


def test_beside_other_prompts_of_other_objects(network, context, other):
    alone = decode(network, context, [RegionOf(other, CLICKS)])
    beside = decode(network, context, [RegionOf(other, CLICKS)], [Point(50, 20)], [Text("star")])
    owners = beside.prompts["visual_prompt"].owners
    assert owners.tolist() == [[0, 1]]
    for a, b in zip(alone.layers, beside.layers, strict=True):
        torch.testing.assert_close(a["visual_query"].masks, b["visual_query"].masks[:, :3], atol=1e-4, rtol=1e-4)


def test_one_object_marked_in_both_images(network, context, other):
    here, there = [Point(50, 20)], RegionOf(other, CLICKS)
    both = decode(network, context, [*here, there])
    vectors = [decode(network, context, prompts).prompts["visual_prompt"].pooled for prompts in (here, [there])]
    torch.testing.assert_close(both.prompts["visual_prompt"].pooled, (vectors[0] + vectors[1]) / 2)
    assert both.prompts["visual_prompt"].tokens.count == 1 + 2 if network.sampler.kind("point").side == 1 else True


def test_images_with_and_without(network, other):
    with torch.no_grad():
        context = network.encode_image([picture(60, 90), picture(60, 90, seed=1)])
        found = network.decode(context, [[[Point(5, 5)]], [[], [RegionOf(other, CLICKS)]]])
    assert found.prompts["visual_prompt"].owners.tolist() == [[0], [1]]
    assert ABSENT not in found.prompts["visual_prompt"].owners


@pytest.mark.parametrize(
    ("prompts", "message"), [((Text("star"),), "'text' marks no pixels"), ((Point(60, 5),), "outside the image")]
)
def test_bad_regions(network, context, other, prompts, message):
    with pytest.raises(InputError, match=message):
        decode(network, context, [RegionOf(other, prompts)])


@pytest.mark.parametrize("prompts", [(), (Point(3, 3, positive=False),)])
def test_nothing_is_marked(prompts):
    with pytest.raises(InputError, match="no prompt marks"):
        RegionOf("other.png", prompts)
    assert RegionOf("other.png", Point(3, 3)).prompts == (Point(3, 3),)


def test_the_other_image_is_one_image(network):
    with torch.no_grad():
        two = network.encode_image([picture(40, 40)] * 2)
    with pytest.raises(InputError, match="holds 2 images"):
        RegionOf(two, CLICKS)


def test_of_a_file_or_of_pixels(network, context, other, tmp_path):
    pixels = picture(70, 50, seed=3)
    Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())).save(tmp_path / "other.png")
    expected = decode(network, context, [RegionOf(other, CLICKS)])
    for image in (pixels, tmp_path / "other.png", str(tmp_path / "other.png")):
        assert every_layer(decode(network, context, [RegionOf(image, CLICKS)]), expected, "visual_query")


def test_a_session_encodes_the_other_image_once(network, monkeypatch):
    calls = []
    session = Session(network, picture(60, 90))
    forward = network.backbone.forward
    monkeypatch.setattr(network.backbone, "forward", lambda pixels: calls.append(1) or forward(pixels))
    session.add(RegionOf(picture(70, 50, seed=3), CLICKS)).predict()
    session.add(Point(5, 5)).predict()
    assert len(calls) == 1
    assert isinstance(session.prompts["object"][0].image, torch.Tensor)  # as it was given


def test_a_session_refuses_bad_regions_at_once(network, tmp_path):
    session = Session(network, picture(60, 90)).add(Point(5, 5))
    pixels = picture(70, 50, seed=3)
    bad = [
        (RegionOf(pixels, (Point(60, 5),)), "outside the image of 50 x 70"),
        (RegionOf(pixels, (Text("star"),)), "'text' marks no pixels"),
        (RegionOf(tmp_path / "absent.png", CLICKS), r"absent\.png"),
        (RegionOf(pixels.float(), CLICKS), "floating-point pixels from 0 to 255"),
        (RegionOf(pixels[:, :9], CLICKS), "at least 32 pixels"),
    ]
    for prompt, message in bad:
        with pytest.raises(InputError, match=message):
            session.add(prompt)
    assert session.prompts == {"object": (Point(5, 5),)}


@pytest.mark.parametrize("image", [None, 3, [[0, 0], [0, 0]]])
def test_what_is_no_image(image):
    with pytest.raises(InputError, match="expected a file, a Pillow image, an array, a tensor or a context"):
        RegionOf(image, CLICKS)


def test_words():
    encoder = installed()["referred-region"].encoder
    found = encoder.parse("a:b/other.png:point=40,30;point=-3,4")
    assert (found.image, found.prompts) == ("a:b/other.png", (Point(40, 30), Point(3, 4, positive=False)))
    assert encoder.from_json(encoder.to_json(found)).prompts == found.prompts
    for word in ("other.png", "other.png:", "other.png:point", "other.png:nose=3"):
        with pytest.raises(InputError):
            encoder.parse(word)


def test_only_files_are_written():
    with pytest.raises(InputError, match="in memory"):
        installed()["referred-region"].encoder.to_json(RegionOf(picture(40, 40), CLICKS))
