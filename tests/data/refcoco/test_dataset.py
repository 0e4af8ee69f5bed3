from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from seemkit.data.loading.transforms import HorizontalFlip
from seemkit.data.refcoco.dataset import RefCoco
from seemkit.errors import InputError
from seemkit.types import Phrase
from tests.objects import HEIGHT, WIDTH, annotation, edit, instances, rectangle, ref, write_image

NAMES = [f"COCO_train2014_{100 + index:012d}.jpg" for index in range(3)]
IMAGES = "images/mscoco/images/train2014"
INSTANCES = "refcoco/instances.json"


def refs() -> list[dict[str, Any]]:
    return [
        ref(102, 5, "train", "Grass?"),
        ref(100, 3, "testA", "Right star", "the other one"),
        ref(100, 1, "testA", "LEFT star", "star on left."),
        ref(101, 4, "testB", "a star"),
        ref(100, 3, "testA", "again"),
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the releases, with RefCOCO: three objects in the first image and one in each other."""
    for name in NAMES:
        write_image(tmp_path / IMAGES / name)
    annotations = [
        annotation(1, 100, [rectangle(0, 0, 10, 10)]),
        annotation(2, 100, [rectangle(0, 20, 9, 29)]),
        annotation(3, 100, [rectangle(30, 0, 38, 8)]),
        annotation(4, 101, [rectangle(0, 0, 4, 4)]),
        annotation(5, 102, [rectangle(0, 0, 48, 40)], category_id=2),
    ]
    (tmp_path / "refcoco").mkdir()
    (tmp_path / INSTANCES).write_text(json.dumps(instances(NAMES, annotations)))
    (tmp_path / "refcoco/refs(unc).p").write_bytes(pickle.dumps(refs(), protocol=2))
    return tmp_path


def test_sample(root: Path) -> None:
    dataset = RefCoco(root, split="testA")
    assert len(dataset) == 1
    image, target = dataset[0]
    assert image.shape == (3, HEIGHT, WIDTH)
    assert target.masks.sum((1, 2)).tolist() == [100, 64]
    assert target.labels.tolist() == [1, 1]
    assert not target.crowd.any()
    assert target.name == NAMES[0]
    told = [("Right star", 1), ("the other one", 1), ("LEFT star", 0), ("star on left.", 0), ("again", 1)]
    assert target.phrases == tuple(Phrase(text, row, ("testA",)) for text, row in told)


def test_first_sentence_of_each_ref(root: Path) -> None:
    _, target = RefCoco(root, split="testA", first_sentence=True)[0]
    assert [phrase.text for phrase in target.phrases] == ["Right star", "LEFT star", "again"]


def test_splits_and_vocabulary(root: Path) -> None:
    dataset = RefCoco(root, split="train")
    assert dataset.vocabulary.names == ("grass", "star")
    assert dataset[0][1].phrases == (Phrase("Grass?", 0, ("train",)),)
    assert dataset[0][1].labels.tolist() == [0]
    with pytest.raises(InputError, match=r"refs\(unc\)\.p: has no ref of split 'val'; use one of: testA, testB, train"):
        RefCoco(root, split="val")


def test_the_same_list_as_json(root: Path) -> None:
    expected = RefCoco(root, split="testA")[0][1]
    (root / "refcoco/refs(unc).p").unlink()
    (root / "refcoco/refs(unc).json").write_text(json.dumps(refs()))
    target = RefCoco(root, split="testA")[0][1]
    assert target.phrases == expected.phrases
    assert torch.equal(target.masks, expected.masks)


def test_images_of_2017(root: Path) -> None:
    write_image(root / "train2017" / "000000000100.jpg")
    ((_, target),) = [RefCoco(root, split="testA", images=root / "train2017")[0]]
    assert target.name == "000000000100.jpg"
    with pytest.raises(InputError, match=rf"{NAMES[1]}: no such file, but .*instances\.json lists it"):
        RefCoco(root, split="testB", images=root / "train2017")


def test_transform(root: Path) -> None:
    _, target = RefCoco(root, split="testA", first_sentence=True, transform=HorizontalFlip(1))[0]
    assert target.phrases[0].text == "Left star"
    assert bool(target.masks[0, :10, -10:].all())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r[1].pop("image_id"), r"\[1\]: has no 'image_id'"),
        (lambda r: r[1].pop("ann_id"), r"\[1\]: has no 'ann_id'"),
        (lambda r: r[1].pop("split"), r"\[1\]: has no 'split'"),
        (lambda r: r[1].pop("sentences"), r"\[1\]: has no 'sentences'"),
        (lambda r: r[1]["sentences"][1].pop("raw"), r"\[1\]\.sentences\[1\]: has no 'raw'"),
        (lambda r: r[1].update(ann_id=4), r"ann_id 4 is not an annotation of image 100"),
        (lambda r: r[1].update(image_id=4), r"image_id 4 is not in instances\.json"),
        (lambda r: r.__setitem__(0, "x"), r"\[0\]: is a str; it must be an object"),
    ],
)
def test_faults_of_refs(root: Path, change: Callable[[Any], object], message: str) -> None:
    records = refs()
    change(records)
    (root / "refcoco/refs(unc).p").write_bytes(pickle.dumps(records))
    with pytest.raises(InputError, match=rf"refs\(unc\)\.p: {message}"):
        RefCoco(root, split="testA")


def test_no_list_of_refs(root: Path) -> None:
    (root / "refcoco/refs(unc).p").write_bytes(pickle.dumps({}))
    with pytest.raises(InputError, match=r"refs\(unc\)\.p: holds a dict; it must be a list of refs"):
        RefCoco(root)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"release": "refcocog"}, "refcocog: no such folder"),
        ({"split_by": "umd"}, r"refs\(umd\)\.p: no such file, nor refs\(umd\)\.json; check release and split_by"),
        ({"images": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_bad_settings(root: Path, settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RefCoco(root, **settings)


def test_referred_object_without_pixels(root: Path) -> None:
    edit(root / INSTANCES, lambda c: c["annotations"][2].update(segmentation=[[1.1, 2, 1.2, 2, 1.1, 2]]))
    dataset = RefCoco(root, split="testA")
    with pytest.raises(InputError, match=r"instances\.json: annotation id 3 of COCO_.* covers no pixel; correct"):
        dataset[0]
