from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.data.coco.instances import CocoInstances
from seemkit.data.loading.samplers import SampleKey
from seemkit.data.loading.transforms import HorizontalFlip
from seemkit.errors import InputError
from seemkit.ops.rle import encode_mask
from seemkit.types import Phrase, Vocabulary
from tests.objects import HEIGHT, WIDTH, annotation, edit, instances, rectangle, runs, write_image

JSON, REFS = "annotations/instances_val.json", "annotations/refs_val.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images: polygons and crowd; one compressed mask of stuff; nothing."""
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        write_image(tmp_path / "val" / name)
    crowd, grass = np.zeros((HEIGHT, WIDTH), dtype=bool), torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    crowd[-6:, -20:] = True
    grass[30:] = True
    annotations = [
        annotation(12, 101, encode_mask(grass), category_id=2),
        annotation(11, 100, [rectangle(3, 4, 12, 14), rectangle(20, 4, 22, 14)]),
        annotation(900_000_000_001, 100, runs(crowd), iscrowd=1),
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / JSON).write_text(json.dumps(instances(names, annotations)))
    refs = [{"image_id": 100, "ann_id": 11, "sentences": [{"sent": "the left star"}], "tags": ["place"]}]
    (tmp_path / REFS).write_text(json.dumps({"refs": refs}))
    return tmp_path


def test_samples(folder: Path) -> None:
    dataset = CocoInstances(folder, "val")
    assert dataset.vocabulary == Vocabulary(("grass", "star"), (False, True))
    image, target = dataset[0]
    assert image.shape == (3, HEIGHT, WIDTH)
    assert target.masks.dtype == torch.bool
    assert target.masks.sum((1, 2)).tolist() == [110, 120]
    assert bool(target.masks[0, 4:14, 3:12].all())
    assert target.labels.tolist() == [1, 1]
    assert target.crowd.tolist() == [False, True]
    assert target.phrases == (Phrase("the left star", 0, ("place",)),)
    assert target.name == "a.png"
    assert dataset[1][1].labels.tolist() == [0]
    assert bool(dataset[1][1].masks[0, 30:].all())


def test_image_without_objects(folder: Path) -> None:
    dataset = CocoInstances(folder, "val")
    assert len(dataset) == 3
    _, target = dataset[2]
    assert target.masks.shape == (0, HEIGHT, WIDTH)
    assert target.labels.dtype == torch.int64


def test_without_phrases(folder: Path) -> None:
    assert CocoInstances(folder, "val", phrases=False)[0][1].phrases == ()


def test_transform_depends_on_the_key(folder: Path) -> None:
    dataset = CocoInstances(folder, "val", transform=HorizontalFlip(), seed=1)
    flips = [bool(dataset[SampleKey(0, epoch)][1].masks[0, 4, -5]) for epoch in range(12)]
    assert flips == [bool(dataset[SampleKey(0, epoch)][1].masks[0, 4, -5]) for epoch in range(12)]
    assert len(set(flips)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "has no 'images'"),
        (lambda c: c.pop("annotations"), "has no 'annotations'"),
        (lambda c: c.pop("categories"), "has no 'categories'"),
        (lambda c: c["categories"][0].pop("id"), r"categories\[0\]: has no 'id'"),
        (lambda c: c["images"][1].pop("height"), r"images\[1\]: has no 'height'"),
        (lambda c: c["images"][1].update(id=100), r"images\[1\]: id 100 occurs twice"),
        (lambda c: c["annotations"][1].pop("segmentation"), r"annotations\[1\]: has no 'segmentation'"),
        (lambda c: c["annotations"][1].update(id=12), r"annotations\[1\]: id 12 occurs twice"),
        (lambda c: c["annotations"][1].update(category_id=1), r"annotations\[1\]: category_id 1 is not in"),
        (lambda c: c["annotations"][1].update(image_id=1), r"annotations\[1\]: image_id 1 is not in 'images'"),
        (lambda c: c["annotations"][1].update(segmentation=[[1, 2]]), r"annotations\[1\]: segmentation\[0\]: has 2"),
        (lambda c: c["annotations"].__setitem__(0, 1), r"annotations\[0\]: is a int"),
    ],
)
def test_faults_are_found_at_once(folder: Path, change: Callable[[Any], object], message: str) -> None:
    edit(folder / JSON, change)
    with pytest.raises(InputError, match=rf"instances_val\.json: {message}"):
        CocoInstances(folder, "val")


def test_faults_of_refs(folder: Path) -> None:
    edit(folder / REFS, lambda c: c["refs"][0].update(ann_id=12))
    with pytest.raises(InputError, match=r"refs_val\.json: refs\[0\]: ann_id 12 is not a segment of image 100"):
        CocoInstances(folder, "val")


@pytest.mark.parametrize("name", ["val", "annotations", JSON, "val/b.png"])
def test_missing_file_or_folder(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "elsewhere")
    with pytest.raises(InputError, match=rf"{(folder / name).name}: no such (file|folder)"):
        CocoInstances(folder, "val")


def test_image_of_another_size(folder: Path) -> None:
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(folder / "val/a.png")
    dataset = CocoInstances(folder, "val")
    with pytest.raises(
        InputError, match=r"json: a\.png is 48 by 41 pixels but image id 100 has width 48 and height 40"
    ):
        dataset[0]


def test_bad_runs(folder: Path) -> None:
    edit(folder / JSON, lambda c: c["annotations"][0]["segmentation"].update(counts="PP"))
    dataset = CocoInstances(folder, "val")
    with pytest.raises(InputError, match=r"instances_val\.json: annotation id 12 of b\.png: 'counts'.* do not fill"):
        dataset[1]


def test_object_without_pixels(folder: Path) -> None:
    flat = [[29.6, 38.3, 29.7, 38.3, 29.7, 38.3]]
    edit(folder / JSON, lambda c: c["annotations"][1].update(segmentation=flat))
    with pytest.raises(
        InputError, match=r"json: annotation id 11 of a\.png covers no pixel; remove it or set skip_emp"
    ):
        CocoInstances(folder, "val")[0]
    _, target = CocoInstances(folder, "val", skip_empty=True)[0]
    assert target.crowd.tolist() == [True]
    assert target.phrases == ()


def test_what_lies_outside_a_class_is_ignored(folder: Path) -> None:
    """Object 101 is a star, and only within stars everything is annotated."""
    _, target = CocoInstances(folder, "val", labeled_within="star")[0]
    assert target.ignored is not None
    assert torch.equal(target.ignored, ~target.masks.any(dim=0))
    with pytest.raises(InputError, match=r"instances_val\.json: labeled_within: no category has the name 'cat'"):
        CocoInstances(folder, "val", labeled_within="cat")
