from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.errors import InputError
from tests.objects import HEIGHT, WIDTH, edit, rectangle

STAR, LOOSE, CROWD = (3, 4, 12, 14), (3, 4, 12, 16), (28, 34, 47, 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Objects of the first images that `write_coco` makes: in the second, a looser one comes before the fitting one."""
    objects = [
        (100, rectangle(20, 20, 30, 30)),  # far from the star
        (101, rectangle(3, 4, 12, 14)),  # IoU 10 / 11
        (100, [3, 4, 12, 4, 12, 14]),  # half of the star in its box
        (101, rectangle(3, 4, 12, 15)),  # exactly the star
        (102, rectangle(3, 4, 12, 12.2)),  # 8.2 of 12 rows: too little
        (100, rectangle(*CROWD)),
        (100, rectangle(0, 0, 48, 40)),  # the box of the grass
        (999, rectangle(*STAR)),
    ]
    annotations = [
        {"id": i, "image_id": image_id, "segmentation": [points], "bbox": [0, 0, 1, 1], "category_id": 3}
        for i, (image_id, points) in enumerate(objects)
    ]
    images = [
        {"id": i, "coco_url": f"http://images.cocodataset.org/train2017/train_{i - 100:03d}.png"}
        for i in (100, 101, 102, 999)
    ]
    path = tmp_path / "lvis.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def test_mask_of_a_thing_is_replaced(folder: Path, path: Path) -> None:
    plain, fine = CocoPanoptic(folder, "train")[0][1], CocoPanoptic(folder, "train", lvis=path)[0][1]
    assert plain.masks[0].sum() == 90
    assert 40 <= int(fine.masks[0].sum()) <= 50
    assert not (fine.masks[0] & ~plain.masks[0]).any()
    assert torch.equal(fine.masks[1:], plain.masks[1:])  # stuff and crowd stay
    assert fine.labels.tolist() == plain.labels.tolist()
    assert fine.phrases == plain.phrases


@pytest.mark.parametrize(("choice", "rows"), [("first", 10), ("best", 11)])
def test_choice_among_several(folder: Path, path: Path, choice: Any, rows: int) -> None:
    _, target = CocoPanoptic(folder, "train", lvis=path, lvis_choice=choice)[1]
    assert int(target.masks[0].sum()) == 9 * rows


def test_too_little_overlap(folder: Path, path: Path) -> None:
    dataset = CocoPanoptic(folder, "train", lvis=path)
    assert torch.equal(dataset[2][1].masks, CocoPanoptic(folder, "train")[2][1].masks)
    assert torch.equal(dataset[3][1].masks, CocoPanoptic(folder, "train")[3][1].masks)


def test_object_without_pixels_is_passed_over(folder: Path, path: Path) -> None:
    # two opposite slivers have the star's box and no area
    edit(path, lambda c: c["annotations"][1].update(segmentation=[[3, 4, 3, 4, 3, 4], [12, 15, 12, 15, 12, 15]]))
    assert int(CocoPanoptic(folder, "train", lvis=path)[1][1].masks[0].sum()) == 9 * 11


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "has no 'images'"),
        (lambda c: c.pop("annotations"), "has no 'annotations'"),
        (lambda c: c["images"][0].pop("coco_url"), r"images\[0\]: has no 'coco_url'"),
        (
            lambda c: c["images"][0].update(coco_url="a/9.jpg"),
            r"images\[0\]: 'coco_url' is a/9\.jpg but image 100 is t",
        ),
        (lambda c: c["annotations"][0].pop("image_id"), r"annotations\[0\]: has no 'image_id'"),
        (lambda c: c["annotations"][0].update(segmentation=[[1]]), r"annotations\[0\]: segmentation\[0\]: has 1 numb"),
        (
            lambda c: c["annotations"][0].update(segmentation={"size": [HEIGHT, WIDTH], "counts": ""}),
            r"annotations\[0\]: 'segmentation' has run lengths; use polygons",
        ),
        (lambda c: c["annotations"].clear(), "no annotation belongs to an image of the split"),
    ],
)
def test_faults_are_found_at_once(folder: Path, path: Path, change: Callable[[Any], object], message: str) -> None:
    edit(path, change)
    with pytest.raises(InputError, match=rf"lvis\.json: {message}"):
        CocoPanoptic(folder, "train", lvis=path)


def test_unknown_choice(folder: Path, path: Path) -> None:
    choice: Any = "worst"
    with pytest.raises(InputError, match="lvis_choice: is 'worst'; use 'first' or 'best'"):
        CocoPanoptic(folder, "train", lvis=path, lvis_choice=choice)
