"""Regions of other images that alone describe an object, with the shipped model of drawn scenes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit import SEEM, Mask, Point, RegionOf, Session
from seemkit.data.scenes.scene import Scene, make_scene
from seemkit.interactive.clicker import center_click
from seemkit.prompts.prepared import example_of
from tests.networks import TINY, VOCABULARY, build, picture


@pytest.fixture(scope="module")
def network() -> SEEM:
    return SEEM.from_pretrained("scenes-tiny")


def session_of(network: SEEM, scene: Scene) -> Session:
    return Session(network, torch.from_numpy(scene.image).permute(2, 0, 1).contiguous())


def test_the_object_that_looks_like_the_region_is_found(network):
    """Of things that are alone in their class in their scenes, most are found by their like in another scene."""
    scenes = [make_scene(0, "test", index) for index in range(10)]
    found = asked = 0
    for scene in scenes:
        shapes = [thing.shape for thing in scene.things]
        for thing in scene.things:
            other = next((o for o in scenes if o is not scene and any(t.shape == thing.shape for t in o.things)), None)
            if shapes.count(thing.shape) > 1 or other is None:
                continue
            like = next(t for t in other.things if t.shape == thing.shape)
            region = RegionOf(session_of(network, other).context, (Mask(torch.from_numpy(other.ids == like.id)),))
            mask = session_of(network, scene).predict(region).mask
            truth = torch.from_numpy(scene.ids == thing.id)
            found += int((mask & truth).sum()) >= 0.5 * int((mask | truth).sum())
            asked += 1
    assert asked >= 5
    assert found >= 0.6 * asked


def test_a_click_corrects_what_a_region_found(network):
    scene, other = make_scene(0, "test", 1), make_scene(0, "test", 12)
    session, thing = session_of(network, scene), scene.things[0]
    session.add(
        RegionOf(session_of(network, other).context, (center_click(torch.from_numpy(other.ids == other.things[0].id)),))
    )
    first = session.predict()
    session.add(center_click(torch.from_numpy(scene.ids == thing.id)))
    second = session.predict()
    assert second.mask[tuple(int(v) for v in (session.prompts["object"][1].y, session.prompts["object"][1].x))]
    session.undo()
    assert torch.equal(session.predict().mask, first.mask)


def test_the_reference_reads_the_features_instead():
    """By default there is no example, and the region's tokens go to visual queries."""
    region = RegionOf(picture(64, 64), (Point(30, 30),))
    for way, present in (("features", False), ("class", True)):
        network = build(replace(TINY, referred_by=way))
        assert network.vocabulary == VOCABULARY
        (prepared,) = Session(network, picture(64, 96)).network.prepare((region,), (64, 96))
        assert (example_of([prepared]) is not None) == present
        assert example_of([prepared, Point(3, 3)]) is None
