"""Results in the formats of other programs, read back by these programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from torch import Tensor

from seemkit.cli.main import main
from seemkit.data import CocoInstancesSource
from seemkit.data.prepare.conversion.convert import convert
from seemkit.errors import InputError
from seemkit.formats.base import SegmentedImage
from seemkit.formats.coco import to_coco
from seemkit.formats.objects import to_supervision, to_transformers
from seemkit.formats.registry import FORMATS
from seemkit.inference.prediction import Prediction
from seemkit.types import Size, Vocabulary

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

HEIGHT, WIDTH = 120, 160
VOCABULARY = Vocabulary(("sky", "star"), (False, True))


def shapes() -> dict[str, Tensor]:
    """Masks of all kinds: with a hole, with specks, in two parts, at the border, thin, of one pixel."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot(y - 40, x - 50)
    ring = (away < 30) & (away > 14)
    speckled = np.hypot(y - 80, (x - 120) / 1.4) < 20
    speckled[2, 150] = True
    return {
        "ring": torch.from_numpy(ring),
        "star": torch.from_numpy(speckled),
        "two parts": torch.from_numpy((y > 95) & ((x < 30) | ((x > 60) & (x < 90)))),
        "border": torch.from_numpy((x > 140) & (y < 50)),
        "thin": torch.from_numpy((y == 90) & (x > 20) & (x < 60)),
        "dot": torch.from_numpy((y == 5) & (x == 5)),
    }


@pytest.fixture(scope="module")
def found() -> list[Prediction]:
    return [
        Prediction(mask, torch.where(mask, 3.0 + number, -3.0), label, 0.5 + number / 20)
        for number, (label, mask) in enumerate(shapes().items())
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory, found) -> Path:
    """A folder with the results of two images in all formats, and of one image in which nothing was found."""
    out = tmp_path_factory.mktemp("formats")
    (out / "photos").mkdir()
    nothing = Prediction(torch.zeros(HEIGHT, WIDTH, dtype=torch.bool), -torch.ones(HEIGHT, WIDTH), "ring", 0.0)
    results = {"one": found, "two": found[:2], "none": [], "empty": [nothing]}
    for name in results:
        Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 150)).save(out / "photos" / f"{name}.png")
    for writer in (kind(out) for kind in FORMATS.values()):
        for name, predictions in results.items():
            path = out / "photos" / f"{name}.png"
            writer.add(SegmentedImage(path, Size(HEIGHT, WIDTH), predictions, VOCABULARY))
        writer.finish()
    return out


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def test_pycocotools_reads_the_exact_masks(written, found):
    coco = COCO(str(written / "instances.json"))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == [
        "one.png", "two.png", "none.png", "empty.png",
    ]  # fmt: skip
    names = {number: category["name"] for number, category in coco.cats.items()}
    assert list(names.values())[:2] == ["sky", "star"]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=1))
    assert [names[one["category_id"]] for one in annotations] == [prediction.label for prediction in found]
    for one, prediction in zip(annotations, found, strict=True):
        assert np.array_equal(coco.annToMask(one).astype(bool), prediction.numpy())
        assert one["score"] == pytest.approx(prediction.score)
    assert not coco.getAnnIds(imgIds=[3, 4])


def test_the_instances_are_data_for_training(written, tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train.json").write_text((written / "instances.json").read_text())
    (tmp_path / "train").symlink_to(written / "photos")
    data = CocoInstancesSource(str(tmp_path), "train").open()
    assert len(data[0][1].masks) == 6


def test_a_panoptic_map_follows_the_rules_of_the_panoptic_api(written, found):
    content = json.loads((written / "panoptic.json").read_text())
    colors = np.array(Image.open(written / "panoptic" / "one.png")).astype(int)
    ids = colors @ [1, 256, 65536]
    segments = content["annotations"][0]["segments_info"]
    assert sorted(set(np.unique(ids)) - {0}) == [segment["id"] for segment in segments]
    for segment in segments:
        assert segment["area"] == int((ids == segment["id"]).sum())
    assert {one["id"] for one in content["categories"]} >= {segment["category_id"] for segment in segments}
    thin = next(one for one in segments if one["id"] == 5)  # it has higher logits than what it lies on
    assert thin["area"] == found[4].area
    assert not content["annotations"][2]["segments_info"]


def test_labelme_opens_its_files(written, found):
    from labelme.utils import shapes_to_label

    label_file = pytest.importorskip("labelme._label_file", reason="another version of labelme")
    opened = label_file.LabelFile(str(written / "labelme" / "one.json"))
    assert Path(opened.image_path).name == "one.png"
    for prediction in found:
        own = [shape for shape in opened.shapes if shape["label"] == prediction.label]
        classes, _ = shapes_to_label((HEIGHT, WIDTH), own, {prediction.label: 1})
        assert iou(classes > 0, prediction.numpy()) >= (0.99 if prediction.area > 500 else 0.9)
    parts = [shape for shape in opened.shapes if shape["label"] == "two parts"]
    assert len(parts) == 2
    assert len({shape["group_id"] for shape in parts}) == 1


def test_a_yolo_reader_that_fills_polygons_gets_the_masks(written, found):
    """The rule of ultralytics: points times the image's size, rounded down, filled by `cv2.fillPoly`."""
    lines = (written / "yolo" / "labels" / "one.txt").read_text().splitlines()
    for line, prediction in zip(lines, found, strict=True):
        points = np.array(line.split()[1:], dtype=float).reshape(-1, 2) * (WIDTH, HEIGHT)
        filled = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(filled, [points.astype(np.int32)], 1)
        assert iou(filled > 0, prediction.numpy()) >= 0.97, prediction.label
        if prediction.area > 500 and prediction.label != "two parts":  # a line joins the parts
            assert iou(filled > 0, prediction.numpy()) >= 0.99, prediction.label
    assert (written / "yolo" / "labels" / "none.txt").read_text() == ""


@pytest.mark.parametrize("kind", ["labelme", "yolo"])
def test_the_converters_read_the_files(written, found, tmp_path, kind):
    if kind == "yolo":
        (tmp_path / "yolo").mkdir()
        for part in ("labels", "data.yaml"):
            (tmp_path / "yolo" / part).symlink_to(written / "yolo" / part)
        (tmp_path / "yolo" / "images").symlink_to(written / "photos")
    source = written / "labelme" if kind == "labelme" else tmp_path / "yolo"
    convert(kind, source, tmp_path / "coco", val=0.0)
    coco = COCO(str(tmp_path / "coco" / "annotations" / "instances_train.json"))
    image = next(one["id"] for one in coco.imgs.values() if one["file_name"] == "one.png")
    names = {number: category["name"] for number, category in coco.cats.items()}
    read = {names[a["category_id"]]: coco.annToMask(a) > 0 for a in coco.loadAnns(coco.getAnnIds(imgIds=image))}
    for prediction in found:
        if prediction.area > 500:
            assert iou(read[prediction.label], prediction.numpy()) >= 0.97, prediction.label


def test_label_studio_gets_the_exact_masks(written, found):
    task = json.loads((written / "label_studio.json").read_text())[0]
    assert task["data"]["image"] == "/data/local-files/?d=photos/one.png"
    for result, prediction in zip(task["predictions"][0]["result"], found, strict=True):
        values = unpacked(result["value"]["rle"]).reshape(HEIGHT, WIDTH, 4)
        assert np.array_equal(values, np.repeat(prediction.numpy()[..., None] * 255, 4, axis=2))
        assert result["value"]["brushlabels"] == [prediction.label]
    assert '<Label value="two parts"/>' in (written / "label_studio.xml").read_text()


def unpacked(packed: list[int]) -> np.ndarray:
    """The values of rle-pack, read bit by bit as its documentation says."""
    bits, place = "".join(f"{byte:08b}" for byte in packed), 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, width = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated = take(1)
        count = take(sizes[take(2)]) + 1
        values += [take(width)] * count if repeated else [take(width) for _ in range(count)]
    return np.array(values)


def test_palettes_hold_objects_and_classes(written, found):
    names = (written / "palette" / "labels.txt").read_text().splitlines()
    objects = Image.open(written / "palette" / "SegmentationObject" / "one.png")
    classes = np.array(Image.open(written / "palette" / "SegmentationClass" / "one.png"))
    assert objects.mode == "P"
    assert objects.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]  # as Pascal VOC's
    for number, prediction in enumerate(found, start=1):
        own = np.array(objects) == number
        assert {names[index - 1] for index in np.unique(classes[own])} == {prediction.label}
    assert np.array_equal(np.array(objects) == 6, found[5].numpy())


def test_supervision_gets_detections(found):
    detections = to_supervision(found, VOCABULARY)
    assert np.array_equal(detections.mask, np.stack([one.numpy() for one in found]))
    assert detections.data["class_name"].tolist() == [one.label for one in found]
    assert detections.class_id.tolist() == [2, 1, 3, 4, 5, 6]  # sky and star have 0 and 1
    assert detections[detections.confidence > 0.7].xyxy.tolist() == [[5, 5, 6, 6]]
    assert len(to_supervision([])) == 0


def test_the_list_of_transformers(found):
    first = to_transformers(found)[0]
    assert first["label"] == "ring"
    assert first["score"] == 0.5
    assert np.array_equal(np.array(first["mask"]) == 255, found[0].numpy())


def test_one_image_as_a_coco_data_set(found, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(to_coco(found, "photos/one.png", VOCABULARY)))
    coco = COCO(str(tmp_path / "one.json"))
    assert coco.imgs[1]["file_name"] == "one.png"
    assert len(coco.anns) == 6


def test_too_many_objects_for_a_palette_are_refused(tmp_path, found):
    writer = FORMATS["palette"](tmp_path)
    with pytest.raises(InputError, match="255 objects; a palette PNG has at most 254"):
        writer.add(SegmentedImage(tmp_path / "x.png", Size(HEIGHT, WIDTH), found[:1] * 255))


def test_a_folder_gives_one_file_for_all_images(tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed, name in enumerate(("a.png", "b.jpg")):
        pixels = np.random.default_rng(seed).integers(0, 256, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / name)
    (photos / "broken.jpg").write_bytes(b"no image")
    words = ["segment", str(photos), "--text", "a star", "--out", str(tmp_path / "out")]
    assert main([*words, "--format", "coco-instances", "--format", "yolo"]) == 1
    assert "2 of 3 images" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["instances.json", "yolo"]
    content = json.loads((tmp_path / "out" / "instances.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.png", "b.jpg"]
    assert main([*words, "--format", "coco"]) == 2
    assert "--format coco: unknown; use one of masks, coco-instances" in capsys.readouterr().err
