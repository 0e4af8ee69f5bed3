"""Pascal VOC for clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.data.interactive.images import InteractiveImages
from seemkit.data.interactive.voc import VOC
from seemkit.errors import InputError
from tests.data.interactive.folders import DOG, PERSON, maps, write_voc_val
from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    return write_voc_val(tmp_path / "VOC2012")


def test_all_objects_of_the_validation_images(voc: Path) -> None:
    images = InteractiveImages(voc, VOC)
    targets = [images[index][1] for index in range(len(images))]
    assert [target.name for target in targets] == ["2007_3.jpg", "2007_1.jpg", "2007_2.jpg"]
    assert len(VOC.vocabulary) == 20
    assert all(VOC.vocabulary.things)
    objects = maps()[1]
    for target, drawn in ((targets[0], objects), (targets[2], objects.T)):
        assert torch.equal(target.masks, torch.from_numpy(np.stack([drawn == index for index in (1, 2, 4)])))
        assert [VOC.vocabulary.names[label] for label in target.labels] == ["dog", "person", "person"]
        assert target.labels.tolist() == [DOG - 1, PERSON - 1, PERSON - 1]
        assert target.crowd.tolist() == [False] * 3
        assert target.ignored is not None
        assert torch.equal(target.ignored, torch.from_numpy(drawn == 255))
    empty = targets[1]
    assert empty.masks.shape == (0, HEIGHT, WIDTH)
    assert empty.labels.shape == empty.crowd.shape == (0,)
    assert empty.ignored is not None
    assert empty.ignored.all()


def test_objects_whose_colors_have_one_gray_level_are_two(voc: Path) -> None:
    objects = np.where(maps()[1] == 4, 16, maps()[1])
    png = Image.open(voc / "SegmentationObject" / "2007_3.png")
    png.putdata(objects.ravel().tolist())
    png.putpalette([0, 0, 0, 128, 0, 0, *[7] * 3 * 14, 0, 64, 0])  # the palette of VOC at 1 and 16: both are gray 38
    png.save(voc / "SegmentationObject" / "2007_3.png")
    assert len(InteractiveImages(voc, VOC)[0][1].masks) == 3


def test_images_with_many_objects_come_several_times(voc: Path) -> None:
    whole, parts = InteractiveImages(voc, VOC), InteractiveImages(voc, VOC, objects_per_image=2)
    found = [parts[index][1] for index in range(len(parts))]
    assert [target.name for target in found] == ["2007_3.jpg"] * 2 + ["2007_2.jpg"] * 2
    assert [len(target.masks) for target in found] == [2, 1, 2, 1]
    assert torch.equal(torch.cat([target.masks for target in found[:2]]), whole[0][1].masks)
    assert torch.equal(torch.cat([target.labels for target in found[2:]]), whole[2][1].labels)
    assert [len(InteractiveImages(voc, VOC, objects_per_image=most)) for most in (1, 3, 5)] == [6, 2, 2]


def test_faults_that_are_known_at_once(voc: Path) -> None:
    def said() -> str:
        with pytest.raises(InputError) as error:
            InteractiveImages(voc, VOC)
        return str(error.value)

    path = voc / "SegmentationClass" / "2007_2.png"
    Image.new("P", (HEIGHT, WIDTH + 2)).save(path)
    assert f"2007_2.png: is {HEIGHT} by {WIDTH + 2} pixels but 2007_2.jpg is {HEIGHT} by {WIDTH}" in said()
    path.unlink()
    list_path = voc / "ImageSets" / "Segmentation" / "val.txt"
    assert said() == f"{path}: no such file, but {list_path} lists it; add it"
    list_path.write_text("2007_44\n")
    assert "JPEGImages/2007_44.jpg: no such file, but" in said()
    list_path.write_text("\n")
    assert "val.txt: lists no image" in said()
    list_path.unlink()
    assert "val.txt: no such file" in said()
    (voc / "SegmentationClass").rename(voc / "classes")
    assert "VOC2012: holds no folder SegmentationClass" in said()


def test_faults_of_pixels_are_known_when_they_are_read(voc: Path) -> None:
    images = InteractiveImages(voc, VOC)

    def said() -> str:
        with pytest.raises(InputError) as error:
            images[0]
        with pytest.raises(InputError) as early:
            InteractiveImages(voc, VOC, objects_per_image=5)
        assert str(early.value) == str(error.value)
        return str(error.value)

    classes, objects = (voc / part / "2007_3.png" for part in ("SegmentationClass", "SegmentationObject"))
    whole = objects.read_bytes()
    Image.new("L", (WIDTH, HEIGHT), 21).save(classes)
    assert "SegmentationObject/2007_3.png: object 1: has class 21 in SegmentationClass; classes are 1 to 20" in said()
    Image.new("L", (WIDTH, HEIGHT), 0).save(classes)
    assert "2007_3.png: object 1: has no class in SegmentationClass; draw it there too" in said()
    Image.open(objects).convert("RGB").save(objects)
    assert "SegmentationObject/2007_3.png: has mode RGB" in said()
    objects.write_bytes(whole[:-60])
    assert "SegmentationObject/2007_3.png: cannot be read as an image" in said()
