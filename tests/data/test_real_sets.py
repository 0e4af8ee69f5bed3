"""Every loader reads real data sets in the layouts in which they are published, unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from seemkit.cli.main import main
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.davis.dataset import DavisFrames
from seemkit.data.interactive.images import InteractiveImages
from seemkit.data.interactive.single_object import GRABCUT

PHOTOS = Path(__file__).parents[2].parent / "shared" / "photos"
pytestmark = pytest.mark.skipif(not PHOTOS.is_dir(), reason="the folder shared/photos is absent")


@pytest.mark.parametrize(
    ("folder", "split"),
    [("coco-objects", "val"), ("tiny-coco", "val2017"), ("clothing", "val")],
)
def test_instances(folder: str, split: str) -> None:
    dataset = CocoInstances(PHOTOS / folder, split, skip_empty=True)
    content = json.loads((PHOTOS / folder / f"annotations/instances_{split}.json").read_text())
    wanted = {image["file_name"] for image in content["images"]}
    for index in range(0, len(dataset), 5):
        image, target = dataset[index]
        assert target.name in wanted
        assert image.shape[1:] == target.masks.shape[1:]
        assert target.masks.flatten(1).any(1).all()
    assert {one["name"] for one in content["categories"]} == set(dataset.vocabulary.names)
    assert len(dataset) <= len(content["images"])


def test_panoptic() -> None:
    dataset = CocoPanoptic(PHOTOS / "coco-panoptic", "val2017")
    assert len(dataset) == 3
    assert sum(dataset.vocabulary.things) == 80
    content = json.loads((PHOTOS / "coco-panoptic/annotations/panoptic_val2017.json").read_text())
    segments = {image["file_name"]: len(image["segments_info"]) for image in content["annotations"]}
    for index in range(3):
        _, target = dataset[index]
        assert len(target.labels) == segments[Path(target.name).with_suffix(".png").name]
        assert target.masks.sum(0).max() == 1


def test_grabcut() -> None:
    dataset = InteractiveImages(PHOTOS / "GrabCut", GRABCUT)
    assert len(dataset) == 50
    for index in range(0, 50, 10):
        _, target = dataset[index]
        assert target.masks.shape[0] == 1
        assert target.ignored is not None


def test_davis() -> None:
    dataset = DavisFrames(PHOTOS / "DAVIS", year=2016)
    assert dataset.lengths == [30, 30, 30]
    for index in (0, 45, 89):
        assert dataset[index][1].masks.any()


def test_voc_is_converted(tmp_path: Path) -> None:
    assert main(["data", "convert", "voc", str(PHOTOS / "VOC2007-train"), str(tmp_path / "out")]) == 0
    lists = list((PHOTOS / "VOC2007-train/ImageSets/Segmentation").glob("*.txt"))
    names = {name for path in lists for name in path.read_text().split()}
    contents = [json.loads(path.read_text()) for path in (tmp_path / "out/annotations").glob("*.json")]
    assert {Path(image["file_name"]).stem for one in contents for image in one["images"]} <= names
    objects = 0
    for path in sorted((PHOTOS / "VOC2007-train/SegmentationObject").glob("*.png")):
        with Image.open(path) as image:
            objects += len(set(image.tobytes()) - {0, 255})
    assert sum(len(one["annotations"]) for one in contents) == objects


def test_yolo_is_converted(tmp_path: Path) -> None:
    folder = PHOTOS / "coco8-seg"
    assert main(["data", "convert", "yolo", str(folder), str(tmp_path / "out")]) == 0
    lines = sum(len(path.read_text().split("\n")) - 1 for path in folder.rglob("labels/**/*.txt"))
    contents = [json.loads(path.read_text()) for path in (tmp_path / "out/annotations").glob("*.json")]
    assert sum(len(one["images"]) for one in contents) == 8
    assert sum(len(one["annotations"]) for one in contents) == lines


@pytest.mark.parametrize("folder", ["coco-panoptic", "tiny-coco"])
def test_check_finds_nothing_wrong(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(PHOTOS / folder)]) == 0
    assert capsys.readouterr().out.endswith("no problem found\n")
