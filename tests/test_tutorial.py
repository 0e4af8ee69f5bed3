"""What the tutorial and README promise of their scene, with the shipped model where its reader trains one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from seemkit import SEEM, Point, Session, Text
from seemkit.data.scenes.scene import Scene, make_scene

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"


@pytest.fixture(scope="module")
def scene() -> Scene:
    """The first scene of ``seemkit data scenes --seed 1``."""
    return make_scene(1, "train", 0)


@pytest.fixture
def session(scene) -> Session:
    return Session(SEEM.from_pretrained("scenes-tiny"), torch.from_numpy(scene.image).permute(2, 0, 1).contiguous())


def iou(mask: torch.Tensor, scene: Scene, color: str, shape: str) -> float:
    (thing,) = (one for one in scene.things if (one.color, one.shape) == (color, shape))
    truth = torch.from_numpy(scene.ids == thing.id)
    return int((mask & truth).sum()) / int((mask | truth).sum())


def test_its_prompts_are_those_of_this_test():
    page = PAGE.read_text()
    assert "data scenes --out datasets/scenes --images 100 --seed 1" in page
    assert set(re.findall(r"--point (\S+)", page)) == {"40,76"}
    assert set(re.findall(r'--text "(.*?)"', page)) == {"the orange disc", "the blue disc"}
    assert "session.add(Point(24, 104, positive=False))" in page


def test_a_point_a_correction_a_text_and_a_mix(session, scene):
    first = iou(session.add(Point(40, 76)).predict().mask, scene, "blue", "disc")
    corrected = iou(session.add(Point(24, 104, positive=False)).predict().mask, scene, "blue", "disc")
    assert first > 0.6
    assert corrected >= first - 0.01
    assert iou(session.predict(Text("the orange disc")).mask, scene, "orange", "disc") > 0.7
    assert iou(session.predict(Point(40, 76), Text("the blue disc")).mask, scene, "blue", "disc") > 0.6


def test_what_the_readme_asks_of_the_same_scene(session, scene):
    readme = (PAGE.parents[1] / "README.md").read_text()
    assert re.findall(r"--text (\S+|\".*?\") (?:--all )?--out result\d", readme) == ['"the orange disc"', "disc"]
    assert iou(session.predict(Text("the orange disc")).mask, scene, "orange", "disc") > 0.7
    discs = [(one.color, one.shape) for one in scene.things if one.shape == "disc"]
    found = session.find_all(Text("disc"))
    assert len(found) == len(discs)
    for color, shape in discs:
        assert max(iou(one.mask, scene, color, shape) for one in found) > 0.6
    segments = session.panoptic()
    assert sum(one.label == "disc" for one in segments) == len(discs)
