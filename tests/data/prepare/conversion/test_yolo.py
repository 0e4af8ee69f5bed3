"""Conversions from Ultralytics YOLO."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from seemkit.cli.main import main
from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH, block, masks_of, write_image, write_yolo


def line(label: int, *corners: tuple[float, float]) -> str:
    """A polygon of pixels as a line of a label file."""
    return " ".join([str(label), *(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners)]) + "\n"


SQUARE = line(1, (10, 5), (30, 5), (30, 25), (10, 25))
TRIANGLE = line(0, (0, 0), (WIDTH, 0), (0, HEIGHT))
LABELS = {"train/a.png": SQUARE + "\n" + TRIANGLE, "train/deep/b.jpg": "", "val/a.png": SQUARE, "val/c.png": None}


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    return write_yolo(tmp_path / "yolo", LABELS)


def convert(yolo: Path, *words: str) -> int:
    return main(["data", "convert", "yolo", str(yolo), str(yolo.parent / "out"), *words])


def set_yaml(yolo: Path, **content: object) -> None:
    """Change the YAML; None takes a key out."""
    path = yolo / "data.yaml"
    changed = yaml.safe_load(path.read_text()) | content
    path.write_text(yaml.safe_dump({key: value for key, value in changed.items() if value is not None}))


def check_splits(yolo: Path) -> None:
    """The conversion holds what `LABELS` say."""
    train, val = (masks_of(yolo.parent / "out", split) for split in ("train", "val"))
    assert sorted(train) == ["a.png", "deep/b.jpg"]
    (dog, square), (cat, triangle) = train["a.png"]
    assert (dog, cat) == ("dog", "cat")
    assert np.array_equal(square, block(10, 5, 30, 25))
    assert triangle.sum() == pytest.approx(WIDTH * HEIGHT / 2, rel=0.03)
    assert sorted(val) == ["a.png", "c.png"]
    assert [name for name, _ in val["a.png"]] == ["dog"]
    assert train["deep/b.jpg"] == val["c.png"] == []


def test_polygons_and_splits(yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(yolo) == 0
    assert "images without a label file: kept, without objects: 1" in capsys.readouterr().out
    check_splits(yolo)
    content = json.loads((yolo.parent / "out/annotations/instances_val.json").read_text())
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def test_photographs_that_are_not_read_are_counted(yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = next(path.parent for path in sorted(yolo.rglob("a.png")) if "train" in path.parts)
    for name in ("phone.HEIC", "other.heic", "raw.CR2", "a.heic"):  # the last one lies beside a.png
        (images / name).write_bytes(b"not read")
    assert convert(yolo) == 0
    said = capsys.readouterr().out
    assert "HEIC files, which are not read: skipped; save them as JPEG or PNG: 2" in said
    assert "CR2 files, which are not read: skipped; save them as JPEG or PNG: 1" in said


def test_ways_to_write_the_yaml(yolo: Path, tmp_path: Path) -> None:
    listed = [str(path) for path in sorted((yolo / "images/val").iterdir())]
    (yolo / "val.txt").write_text("\n".join(["./images/val/a.png", listed[1]]))
    for content in (
        {"names": {0: "cat", 1: "dog"}},
        {"path": str(yolo)},
        {"path": None, "train": "../images/train", "val": "../images/val"},
        {"path": "gone", "train": ["images/train"], "val": "val.txt"},
    ):
        set_yaml(yolo, **content)
        assert convert(yolo) == 0
        check_splits(yolo)
        (tmp_path / "out").rename(tmp_path / f"out{len(list(tmp_path.iterdir()))}")
    (yolo / "data.yaml").rename(yolo / "mine.yaml")
    assert convert(yolo) == 0
    (tmp_path / "out").rename(tmp_path / "last")
    assert main(["data", "convert", "yolo", str(yolo / "mine.yaml"), str(tmp_path / "out")]) == 0
    check_splits(yolo)


def test_without_val_images_are_drawn_and_test_is_kept(yolo: Path) -> None:
    set_yaml(yolo, val=None, test="images/val")
    assert convert(yolo) == 0
    counts = {split: len(masks_of(yolo.parent / "out", split)) for split in ("train", "val", "test")}
    assert counts == {"train": 1, "val": 1, "test": 2}


def test_coordinates_outside_are_cut_off(yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (yolo / "labels/val/a.txt").write_text(line(0, (-6, 10), (20, 10), (20, 20), (-6, 20)))
    assert convert(yolo) == 0
    assert "polygons cut off at the border of their image: 1" in capsys.readouterr().out
    ((_, mask),) = masks_of(yolo.parent / "out", "val")["a.png"]
    assert np.array_equal(mask, block(0, 10, 20, 20))


def test_own_names(yolo: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("kitten\npuppy\n")
    set_yaml(yolo, names=None)
    assert convert(yolo, "--names", str(tmp_path / "names.txt")) == 0
    assert [name for name, _ in masks_of(tmp_path / "out", "val")["a.png"]] == ["puppy"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2" + SQUARE[1:], "a.txt: line 1: class 2 is not in 'names', which has 2 names from 0 on"),
        ("0.5" + SQUARE[1:], "a.txt: line 1: class 0.5 is not in 'names'"),
        (SQUARE + "0 0.5 0.5 0.2 0.2", "a.txt: line 2: has 4 coordinates"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "a.txt: line 1: has 7 coordinates"),
        ("0 a b", "a.txt: line 1: holds something other than numbers"),
        ("0 nan 0.1 0.2 0.2 0.3 0.4", "a.txt: line 1: has coordinates far from 0..1"),
        ("0 10 5 30 5 30 25", "a.txt: line 1: has coordinates far from 0..1; divide x by"),
    ],
)
def test_bad_lines(text: str, said: str, yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (yolo / "labels/val/a.txt").write_text(text)
    assert convert(yolo) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert [path.name for path in yolo.parent.iterdir()] == ["yolo"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"names": None}, "data.yaml: 'names' must be a list of class names"),
        ({"names": ["cat", "cat"]}, "data.yaml: 'names': class 'cat' occurs twice"),
        ({"names": {"cat": 0}}, "data.yaml: 'names' must be a list of class names"),
        ({"train": None, "val": None}, "data.yaml: has neither 'train' nor 'val'"),
        ({"val": "images/none"}, "images/none: no such folder or file; correct 'path' or 'val'"),
        ({"val": "labels/val"}, "data.yaml: 'val'"),
        ({"val": "list.txt"}, "gone.png: no such image"),
    ],
)
def test_bad_yaml(content: dict[str, object], said: str, yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (yolo / "list.txt").write_text("images/val/gone.png\n")
    set_yaml(yolo, **content)
    assert convert(yolo) == 2
    assert said in capsys.readouterr().err
    assert not (yolo.parent / "out").exists()


def test_no_yaml_or_a_broken_one(yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (yolo / "data.yaml").write_text("names: [cat")
    assert convert(yolo) == 2
    assert "data.yaml: is not valid YAML" in capsys.readouterr().err
    (yolo / "data.yaml").write_text("cat")
    assert convert(yolo) == 2
    assert "data.yaml: holds a str" in capsys.readouterr().err
    (yolo / "data.yaml").unlink()
    assert convert(yolo) == 2
    assert "yolo: holds no data.yaml" in capsys.readouterr().err


def test_an_image_twice(yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(yolo / "images/more/a.png")
    set_yaml(yolo, train=["images/train", "images/more"])
    assert convert(yolo) == 2
    assert "its image would be train/a.png" in capsys.readouterr().err
