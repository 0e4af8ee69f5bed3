"""``seemkit data check``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from seemkit.cli.main import main
from seemkit.data.prepare import check as checking
from seemkit.interactive import user
from tests.builders import GRASS, write_coco, write_ids


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = main(["data", "check", str(folder)])
    said = capsys.readouterr()
    assert said.err == ""
    return code, said.out.splitlines()


def test_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = check(folder, capsys)
    assert code == 0
    assert [line for line in lines if not line.startswith(" ")] == [
        "train (panoptic_train.json)", "val (panoptic_val.json)", "test (panoptic_test.json)", "no problem found"
    ]  # fmt: skip
    train = [line.split() for line in lines[1 : lines.index("val (panoptic_val.json)")]]
    stars = [9 * (10 + index % 5) for index in range(7)]
    grass = [40 * 47 - star - 6 * 19 for star in stars]
    assert train == [
        ["images", "7"],
        ["sizes", "smallest", "48", "x", "40,", "median", "48", "x", "40,", "largest", "48", "x", "40"],
        ["segments", "21,", "7", "of", "them", "crowd"],
        ["phrases", "14"],
        ["void", "2.1%", "of", "all", "pixels"],
        ["class", "kind", "segments", "images", "mean", "area"],
        ["star", "thing", "14", "7", f"{(sum(stars) + 7 * 6 * 19) / 14:.0f}"],
        ["grass", "stuff", "7", "7", f"{sum(grass) / 7:.0f}"],
    ]


def test_sizes_small_and_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_coco(tmp_path / "coco", {"val": 1})
    write_coco(tmp_path / "wide", {"val": 3}, height=60, width=90)
    for number in range(2):  # two larger images, one with a dot of 9 pixels and one without anything
        for place in ("val", "annotations/panoptic_val"):
            (tmp_path / f"wide/{place}/val_{number:03d}.png").rename(root / place / f"wide{number}.png")
    ids = np.zeros((60, 90), dtype=int)
    write_ids(ids, root / "annotations/panoptic_val/wide1.png")
    ids[3:6, 4:7] = GRASS
    write_ids(ids, root / "annotations/panoptic_val/wide0.png")
    path = root / "annotations/panoptic_val.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segments_info"] = [{"id": GRASS, "category_id": 2, "iscrowd": 0}]
    write_ids(np.full((40, 48), GRASS), root / "annotations/panoptic_val/val_000.png")
    (root / "annotations/refs_val.json").unlink()
    for number, segments in enumerate([content["annotations"][0]["segments_info"], []]):
        name = f"wide{number}.png"
        content["images"].append({"id": number, "file_name": name, "height": 60, "width": 90})
        content["annotations"].append({"image_id": number, "file_name": name, "segments_info": segments})
    path.write_text(json.dumps(content))
    code, lines = check(root, capsys)
    assert code == 0
    assert "  images    3, 1 without a segment" in lines
    assert "  sizes     smallest 48 x 40, median 90 x 60, largest 90 x 60" in lines
    assert "  small     1 segments under 10 pixels; training draws no visual prompt for them" in lines
    assert "  without a segment: star" in lines
    assert "  phrases   0" in lines
    assert checking.MIN_AREA == user.MIN_AREA


def test_it_goes_on_after_a_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = folder / "train/train_001.png"
    image.write_bytes(image.read_bytes()[:50])
    write_ids(np.full((40, 48), GRASS), folder / "annotations/panoptic_train/train_004.png")
    (folder / "val/val_000.png").unlink()
    code, lines = check(folder, capsys)
    assert code == 1
    assert lines[1] == "  images    5"
    assert lines[lines.index("val (panoptic_val.json)") + 1] == "  cannot be opened; see the problems below"
    assert lines[lines.index("test (panoptic_test.json)") + 1] == "  images    2"
    start = lines.index("problems: 3")
    for line, said in zip(
        lines[start + 1 :],
        [r"train_001\.png: cannot be read", r"image_id 104: id 300 has no pixel", r"val_000\.png: no such file"],
        strict=True,
    ):
        assert re.search(said, line)


def test_many_problems_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_coco(tmp_path / "coco", {"train": 23})
    for path in (folder / "train").iterdir():
        path.write_bytes(b"")
    code, lines = check(folder, capsys)
    assert code == 1
    assert lines[:3] == ["train (panoptic_train.json)", "  images    0", "problems: 23"]
    assert len(lines) == 24
    assert lines[-1] == "  … and 3 more"


def test_classes_that_differ(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "annotations/panoptic_val.json"
    path.write_text(path.read_text().replace('"star"', '"moon"'))
    code, lines = check(folder, capsys)
    assert code == 1
    assert "panoptic_val.json: 'categories' differ from those of panoptic_train.json" in lines[-1]


def test_no_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tmp_path)]) == 2
    assert "annotations: holds no panoptic_<split>.json" in capsys.readouterr().err


def test_progress_is_shown_on_a_terminal_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["data", "check", str(folder)]) == 0
    assert "\r\x1b[Kreading train 7/7\r\x1b[Kreading val 1/3" in capsys.readouterr().err
