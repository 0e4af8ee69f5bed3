"""Files of COCO's layouts as other programs write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seemkit.data import CocoDataModule
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.prepare.check import check
from seemkit.errors import InputError
from tests.builders import write_coco
from tests.objects import annotation, instances, rectangle, write_image

POLYGON = [rectangle(3, 4, 12, 14)]


def write(root: Path, change: Any = lambda content: None, split: str = "train") -> Path:
    """A folder with two images and one object in each, after a change of the JSON."""
    for name in ("a.png", "b.png"):
        write_image(root / split / name)
    content = instances(["a.png", "b.png"], [annotation(1, 100, POLYGON), annotation(2, 101, POLYGON)])
    change(content)
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return root


def crowds(content: dict[str, Any]) -> None:
    for record in content["annotations"]:
        record["iscrowd"] = 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (crowds, r"instances_train\.json: all 2 segments are crowds.*nothing to train on"),
        (lambda c: c["annotations"].clear(), r"instances_train\.json: there is no segment.*nothing to train on"),
        (lambda c: c["categories"].clear(), r"instances_train\.json: 'categories' is empty; add the classes"),
        (lambda c: c["images"].clear(), r"instances_train\.json: 'images' is empty; add the images"),
    ],
    ids=["crowds", "annotations", "categories", "images"],
)
def test_data_that_teaches_nothing_is_a_problem(tmp_path, change, said):
    write(tmp_path, change)
    lines, problems = check(tmp_path)
    assert problems == 1
    with pytest.raises(InputError, match=said):
        CocoDataModule(str(tmp_path)).train_dataloader()
    assert said.split(r"\.json: ")[1][:12] in lines[-1]


@pytest.mark.parametrize("change", [crowds, lambda content: content["annotations"].clear()])
def test_data_that_measures_nothing_is_refused(tmp_path, change):
    data = CocoDataModule(str(write(write(tmp_path), change, "val")), test_split="val")
    for loader in (data.val_dataloader, data.test_dataloader):
        with pytest.raises(InputError, match=r"instances_val\.json: .*nothing to measure"):
            loader()
    assert len(data.predict_dataloader()) == 1  # 2 images of one batch, which need no annotations


def test_categories_of_one_name_are_one_class(tmp_path):
    def roboflow(content: dict[str, Any]) -> None:
        content["categories"] = [
            {"id": 0, "name": "cat", "supercategory": "none"},
            {"id": 2, "name": "dog", "supercategory": "cat"},
            {"id": 7, "name": "cat", "supercategory": "cat"},
        ]

    data = CocoInstances(write(tmp_path, roboflow), "train")
    assert data.vocabulary.names == ("cat", "dog")
    assert data[0][1].labels.tolist() == [0]


def test_a_name_of_a_thing_and_of_stuff_is_refused(tmp_path):
    def both(content: dict[str, Any]) -> None:
        content["categories"] = [{"id": 2, "name": "cat", "isthing": 0}, {"id": 7, "name": "cat", "isthing": 1}]

    with pytest.raises(InputError, match="'cat' is a thing and stuff"):
        CocoInstances(write(tmp_path, both), "train")


def test_iscrowd_is_optional(tmp_path):
    write(tmp_path, lambda c: [record.pop("iscrowd") for record in c["annotations"]])
    assert CocoInstances(tmp_path, "train")[0][1].crowd.tolist() == [False]


def test_names_of_windows_and_a_byte_order_mark(tmp_path):
    write(tmp_path, lambda c: c["images"][0].update(file_name="sub\\c.png"))
    (tmp_path / "train" / "sub").mkdir()
    (tmp_path / "train" / "a.png").rename(tmp_path / "train" / "sub" / "c.png")
    path = tmp_path / "annotations" / "instances_train.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert CocoInstances(tmp_path, "train")[0][1].name == "sub/c.png"


def test_an_object_without_a_polygon_is_skipped_if_that_is_wanted(tmp_path):
    write(tmp_path, lambda c: c["annotations"][0].update(segmentation=[], area=0))
    with pytest.raises(InputError, match=r"annotations\[0\]: 'segmentation' has no polygon.*skip_empty"):
        CocoInstances(tmp_path, "train")
    data = CocoInstances(tmp_path, "train", skip_empty=True)
    assert [len(target.masks) for _, target in (data[0], data[1])] == [0, 1]


def test_image_ids_can_be_names_and_sizes_can_be_missing(tmp_path):
    """ADE20K's panoptic annotations have names as ids."""
    write_coco(tmp_path, {"val": 2})
    path = tmp_path / "annotations" / "panoptic_val.json"
    content = json.loads(path.read_text())
    for records, key in ((content["images"], "id"), (content["annotations"], "image_id")):
        for record in records:
            record[key] = f"ADE_val_{record[key]}"
    content["images"][0].update(width=None, height=None)
    path.write_text(json.dumps(content))
    (tmp_path / "annotations" / "refs_val.json").unlink()
    assert [annotation.image_id for annotation in CocoPanoptic(tmp_path, "val").annotations] == [
        "ADE_val_100",
        "ADE_val_101",
    ]


def test_a_missing_split_is_found_before_the_network_is_built(tmp_path):
    write(tmp_path, split="train2017")
    write(tmp_path, split="val2017")
    data = CocoDataModule(str(tmp_path))
    with pytest.raises(InputError, match=r"has no split 'val', but train2017, val2017; set data\.val_split to one"):
        data.check_folders("fit")
    splits = {"train_split": "train2017", "val_split": "val2017", "test_split": "val2017"}
    CocoDataModule(str(tmp_path), **splits).check_folders("fit")
    with pytest.raises(InputError, match=r"no such folder; set data\.root"):
        CocoDataModule(str(tmp_path / "typo")).check_folders("test")
