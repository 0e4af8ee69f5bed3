"""Conversions from Pascal VOC."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seemkit.cli.main import main
from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH, masks_of, write_image, write_voc

DOG, PERSON = 12, 15


def maps() -> tuple[np.ndarray, np.ndarray]:
    """Class and object map: a ragged dog, a person with a hole, void between them and around."""
    generator = np.random.default_rng(3)
    objects = np.zeros((HEIGHT, WIDTH), dtype=int)
    objects[5:30, 4:28] = np.where(generator.random((25, 24)) < 0.8, 1, 0)
    objects[8:36, 30:55] = 2
    objects[15:20, 40:45] = 0
    objects[8:36, 28:30] = 255
    classes = np.choose(np.where(objects == 255, 3, objects), [0, DOG, PERSON, 255])
    classes[6, 4:28][objects[6, 4:28] == 1] = PERSON  # a few pixels disagree, and a few are void
    classes[7, 4:28][objects[7, 4:28] == 1] = 255
    return classes, objects


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    classes, objects = maps()
    blank = np.zeros((50, 40))
    pngs = {"2007_01": (classes, objects), "2007_02": (classes.T, objects.T), "2007_03": (blank, blank)}
    return write_voc(
        tmp_path / "VOC2012",
        {name: pair[0] for name, pair in pngs.items()},
        {name: pair[1] for name, pair in pngs.items()},
        train=["2007_01", "2007_03"],
        val=["2007_02"],
    )


def convert(voc: Path, *words: str) -> int:
    return main(["data", "convert", "voc", str(voc), str(voc.parent / "out"), *words])


def test_masks_are_equal_pixel_for_pixel(voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(voc / "JPEGImages" / "2007_99.jpg")
    assert convert(voc) == 0
    assert "images that no list names, or without masks: skipped: 1" in capsys.readouterr().out
    objects = maps()[1]
    train, val = (masks_of(voc.parent / "out", split) for split in ("train", "val"))
    assert sorted(train) == ["2007_01.jpg", "2007_03.jpg"]
    assert train["2007_03.jpg"] == []
    for instances, drawn in ((train["2007_01.jpg"], objects), (val["2007_02.jpg"], objects.T)):
        assert [name for name, _ in instances] == ["dog", "person"]
        for index, (_, mask) in enumerate(instances, start=1):
            assert np.array_equal(mask, drawn == index)
    content = json.loads((voc.parent / "out/annotations/instances_val.json").read_text())
    assert len(content["categories"]) == 20
    assert content["categories"][DOG - 1] == {"id": DOG, "name": "dog"}
    assert all(isinstance(record["segmentation"]["counts"], str) for record in content["annotations"])
    copied = (voc.parent / "out/val/2007_02.jpg").read_bytes()
    assert copied == (voc / "JPEGImages/2007_02.jpg").read_bytes()


@pytest.mark.parametrize("lists", [(), ("train",)])
def test_without_a_list_for_validation_images_are_drawn(voc: Path, lists: tuple[str, ...]) -> None:
    for split in {"train", "val"} - set(lists):
        (voc / f"ImageSets/Segmentation/{split}.txt").unlink()
    assert convert(voc, "--val", "0.4") == 0
    count = 2 if lists else 3
    train, val = (masks_of(voc.parent / "out", split) for split in ("train", "val"))
    assert (len(train), len(val)) == (count - 1, 1)


def test_own_names(voc: Path) -> None:
    names = voc.parent / "names.txt"
    names.write_text("_background_\n" + "\n".join(f"class {index}" for index in range(1, 16)))
    assert convert(voc, "--names", str(names)) == 0
    (instances,) = masks_of(voc.parent / "out", "val").values()
    assert [name for name, _ in instances] == ["class 12", "class 15"]


def test_bad_folders(voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in voc.parent.iterdir())

    def said(*words: str) -> str:
        assert convert(voc, *words) == 2
        assert sorted(path.name for path in voc.parent.iterdir()) == before
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    png = voc / "SegmentationObject" / "2007_02.png"
    whole = png.read_bytes()
    Image.open(png).convert("RGB").save(png)
    assert "2007_02.png: has mode RGB" in said()
    png.write_bytes(whole[:70])
    assert "2007_02.png: cannot be read as an image" in said()
    Image.new("P", (40, 41)).save(png)
    assert "2007_02.png: is 40 by 41 pixels but 2007_02.jpg is 40 by 60" in said()
    Image.new("L", (40, 60), 9).save(png)
    Image.new("L", (40, 60), 0).save(voc / "SegmentationClass" / "2007_02.png")
    assert "2007_02.png: object 9: has no class in SegmentationClass" in said()
    Image.new("L", (40, 60), 21).save(voc / "SegmentationClass" / "2007_02.png")
    assert "object 9: has class 21, but only 20 names are given; give all with --names" in said()
    png.unlink()
    assert "SegmentationObject/2007_02.png: no such image" in said()
    (voc / "ImageSets/Segmentation/val.txt").write_text("2007_44\n")
    assert "2007_44.jpg: no such image" in said()
    (voc / "JPEGImages").rename(voc / "images")
    assert "VOC2012: holds no folder JPEGImages" in said()
