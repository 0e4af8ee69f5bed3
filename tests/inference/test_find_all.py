"""Everything that a prompt means, found by the shipped model of drawn scenes."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from seemkit import SEEM, Point, RegionOf, Session, Text
from seemkit.data.scenes.scene import Scene, make_scene
from seemkit.errors import InputError
from seemkit.inference.prediction import Prediction
from seemkit.interactive.clicker import center_click
from seemkit.postprocess.instance import distinct


@pytest.fixture(scope="module")
def network() -> SEEM:
    return SEEM.from_pretrained("scenes-tiny")


def repeated(count: int) -> list[tuple[Scene, str]]:
    """The first scenes with several things of one shape and others beside them, and that shape."""
    found = []
    for index in range(1000):
        scene = make_scene(0, "test", index)
        shape, times = Counter(thing.shape for thing in scene.things).most_common(1)[0]
        if 1 < times < len(scene.things):
            found.append((scene, shape))
        if len(found) == count:
            return found
    raise AssertionError


@pytest.fixture(scope="module")
def scene() -> tuple[Scene, str]:
    return repeated(1)[0]


@pytest.fixture
def session(network, scene) -> Session:
    return session_of(network, scene[0])


def session_of(network: SEEM, scene: Scene) -> Session:
    return Session(network, torch.from_numpy(scene.image).permute(2, 0, 1).contiguous())


def masks(scene: Scene, shape: str) -> list[torch.Tensor]:
    return [torch.from_numpy(scene.ids == thing.id) for thing in scene.things if thing.shape == shape]


def count_right(found: list[Prediction], truth: list[torch.Tensor]) -> int:
    return sum(
        any(int((one.mask & mask).sum()) >= 0.5 * int((one.mask | mask).sum()) for one in found) for mask in truth
    )


@pytest.mark.parametrize("by", ["name", "click"])
def test_all_of_a_class_are_found(network, by):
    found_count = right = true = 0
    for scene, shape in repeated(8):
        session, truth = session_of(network, scene), masks(scene, shape)
        found = session.find_all(Text(shape) if by == "name" else center_click(truth[0]))
        found_count, right, true = found_count + len(found), right + count_right(found, truth), true + len(truth)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert all(one.score >= 0.5 for one in found)
        assert not session.prompts  # it leaves the session as it was
    assert right >= 0.8 * true
    assert right >= 0.8 * found_count


def test_labels_are_the_text_or_that_of_the_example(session, scene):
    scene, shape = scene
    assert {one.label for one in session.find_all(Text(shape))} == {shape}
    click = center_click(masks(scene, shape)[0])
    assert {one.label for one in session.find_all(click)} == {session.predict(click).label}


def test_a_text_narrows_an_example_down(session, scene):
    scene, shape = scene
    other = next(thing.shape for thing in scene.things if thing.shape != shape)
    assert not session.find_all(center_click(masks(scene, shape)[0]), Text(other))


def test_what_is_not_there_is_not_found(session, scene):
    absent = next(
        name
        for name, thing in zip(session.vocabulary.names, session.vocabulary.things, strict=True)
        if thing and name not in {one.shape for one in scene[0].things}
    )
    assert not session.find_all(Text(absent))


def test_a_region_of_another_image_is_an_example(network, session, scene):
    scene, shape = scene
    for index in range(100, 200):
        other = make_scene(0, "test", index)
        if masks(other, shape):
            break
    region = RegionOf(session_of(network, other).context, (center_click(masks(other, shape)[0]),))
    found = session.find_all(region)
    assert all(one.score >= 0.5 for one in found)
    assert len({one.label for one in found}) <= 1


def test_wrong_calls_say_what_to_do(network, session):
    for prompts, message in (
        ((), "give at least one prompt"),
        ((Text("star"), Text("disc")), "2 texts; give one"),
        ((Point(5, 5, positive=False),), "all prompts that show an example are negative"),
        ((Point(500, 5),), "outside"),
    ):
        with pytest.raises(InputError, match=message):
            session.find_all(*prompts)
    clicks = Session(SEEM.from_pretrained("photos-tiny"), torch.zeros(3, 64, 64, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"scenes-tiny"):
        clicks.find_all(Text("star"))


def test_duplicates_are_dropped():
    masks = torch.zeros(4, 8, 8, dtype=torch.bool)
    masks[0, :4], masks[1, :5], masks[2, 6:] = True, True, True
    assert distinct(masks, torch.tensor([0.5, 0.9, 0.6, 0.99])) == [1, 2]
