from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from seemkit.data.coco.excluded_images import read_image_ids
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.errors import InputError
from tests.objects import instances, ref

REFS = [ref(101, 1, "val", "a"), ref(105, 2, "train", "b"), ref(101, 3, "val", "c"), ref(77, 4, "val", "d")]


def test_images_are_left_out(folder: Path, tmp_path: Path) -> None:
    listed, refs = tmp_path / "listed.json", tmp_path / "refs(umd).p"
    listed.write_text(json.dumps(instances(["a.png"], [])))
    refs.write_bytes(pickle.dumps(REFS, protocol=2))
    for name in ("train/train_000.png", "annotations/panoptic_train/train_000.png"):
        (folder / name).unlink()  # nobody reads what is left out
    dataset = CocoPanoptic(folder, "train", exclude=[listed, refs])
    assert [annotation.image_id for annotation in dataset.annotations] == [102, 103, 104, 106]
    assert dataset[0][1].name == "train_002.png"
    assert dataset[0][1].phrases[0].text == "the Left star"


def test_kinds_of_files(tmp_path: Path) -> None:
    refs, text, own = tmp_path / "refs(umd).p", tmp_path / "refs(umd).json", tmp_path / "refs_val.json"
    refs.write_bytes(pickle.dumps(REFS))
    text.write_text(json.dumps(REFS))
    own.write_text(json.dumps({"refs": REFS}))
    for path in (refs, text, own):
        assert read_image_ids(path) == {77, 101, 105}
        assert read_image_ids(f"{path}#val") == {77, 101}


def test_a_name_with_a_number_sign(tmp_path: Path) -> None:
    path = tmp_path / "a#1.json"
    path.write_text(json.dumps({"images": [{"id": 4}]}))
    assert read_image_ids(path) == {4}


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        ({}, "", r"a\.json: has no 'refs'"),
        (5, "", r"a\.json: is a int"),
        ({"images": [{}]}, "", r"a\.json: images\[0\]: has no 'id'"),
        ([{}], "", r"a\.json: refs\[0\]: has no 'image_id'"),
        ([{"image_id": 3}], "#val", r"a\.json: refs\[0\]: has no 'split'"),
        (REFS, "#test", r"a\.json: has no ref of split 'test'"),
    ],
)
def test_faults(tmp_path: Path, content: object, suffix: str, message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_image_ids(f"{tmp_path}/a.json{suffix}")


def test_missing_file(folder: Path) -> None:
    with pytest.raises(InputError, match=r"b\.json: no such file"):
        CocoPanoptic(folder, "train", exclude=["b.json"])


def test_something_must_be_left(folder: Path) -> None:
    path = folder / "annotations/panoptic_train.json"
    with pytest.raises(InputError, match=r"exclude: .*panoptic_train\.json leave no image in the split"):
        CocoPanoptic(folder, "val", exclude=[path])
