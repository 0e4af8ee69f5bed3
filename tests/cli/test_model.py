from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from seemkit import Box, Point, Text
from seemkit.cli.main import main
from seemkit.cli.model import default_model, loader
from seemkit.data.scenes import write_scenes


@pytest.mark.parametrize(
    ("objects", "name"),
    [
        ({"a": [Point(3, 4)], "b": [Box(1, 2, 30, 40), Point(5, 5, positive=False)]}, "photos-tiny"),
        ({"a": [Point(3, 4), Text("a dog")]}, "scenes-tiny"),
        ({"a": [Point(3, 4)], "b": [Text("a dog")]}, "scenes-tiny"),
        ({}, "scenes-tiny"),
    ],
)
def test_the_default_is_the_shipped_model_that_answers(objects, name: str) -> None:
    assert default_model(objects) == name


def test_the_default_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(model=None, variant=None, device="cpu", dtype="float32")
    assert loader(options)({"a": [Point(3, 4)]}).architecture.zoom_side
    assert capsys.readouterr().err == "seemkit: model photos-tiny; --model takes another (seemkit models)\n"
    options.model = "scenes-tiny"
    assert not loader(options)({"a": [Point(3, 4)]}).architecture.zoom_side
    assert capsys.readouterr().err == ""


def test_a_model_refuses_what_it_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = write_scenes(tmp_path / "scenes", {"val": 1})
    image = str(scenes / "val" / "000000.png")
    for words in (["--text", "a star"], []):
        assert main(["segment", image, "--model", "photos-tiny", "--out", str(tmp_path / "out"), *words]) == 2
        error = capsys.readouterr().err
        assert "this model only answers visual prompts; use another model" in error
        assert len(error.splitlines()) == 1
        assert not (tmp_path / "out").exists()
    assert main(["segment", image, "--point", "60,60", "--out", str(tmp_path / "out")]) == 0
    assert "object" in capsys.readouterr().out
