from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit import SEEM, Box, Point, Session, Text
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
    options = argparse.Namespace(model=None, variant=None, device="cpu", dtype="float32", size=None, threads=1)
    assert loader(options)({"a": [Point(3, 4)]}).architecture.zoom_side
    assert capsys.readouterr().err == "seemkit: model photos-tiny; --model takes another (seemkit models)\n"
    options.model = "scenes-tiny"
    assert not loader(options)({"a": [Point(3, 4)]}).architecture.zoom_side
    assert capsys.readouterr().err == ""


def test_the_size_bounds_what_is_encoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A photograph of several megapixels is encoded at the size that is asked for; its masks have its own size."""
    encoded: list[torch.Size] = []
    network = SEEM.from_pretrained("scenes-tiny", image_side=96)
    whole = network.backbone.forward
    monkeypatch.setattr(network.backbone, "forward", lambda images: (encoded.append(images.shape), whole(images))[1])
    session = Session(network, np.zeros((1200, 1800, 3), np.uint8))
    assert session.predict(Point(900, 600)).mask.shape == (1200, 1800)
    assert encoded == [(1, 3, 64, 96)]


@pytest.mark.parametrize("side", ["16", "0"])
def test_a_size_that_is_too_small(side: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert main(["segment", str(tmp_path / "a.png"), "--size", side, "--out", str(tmp_path / "out")]) == 2
    assert f"image_side: is {side} pixels; use at least 32" in capsys.readouterr().err


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
