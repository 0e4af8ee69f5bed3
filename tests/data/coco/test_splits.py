from __future__ import annotations

import json
from pathlib import Path

import pytest

from seemkit.data import CocoDataModule, CocoSource
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.coco.splits import find_splits, layout_of, open_split
from seemkit.errors import InputError
from tests.objects import annotation, instances, rectangle


@pytest.fixture
def both(folder: Path) -> Path:
    """The training split in both layouts, validation in panoptic alone."""
    content = instances(["train_000.png"], [annotation(1, 100, [rectangle(3, 4, 12, 14)])])
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(content))
    (folder / "annotations" / "refs_train.json").unlink()
    return folder


def test_panoptic_wins(both: Path) -> None:
    assert layout_of(both, "train") == "panoptic"
    assert isinstance(open_split(both, "train"), CocoPanoptic)
    assert isinstance(CocoSource(str(both), "train").open(), CocoPanoptic)
    (both / "annotations" / "panoptic_train.json").unlink()
    assert layout_of(both, "train") == "instances"
    assert isinstance(open_split(both, "train"), CocoInstances)
    assert isinstance(CocoSource(str(both), "train").open(), CocoInstances)
    assert isinstance(CocoDataModule(str(both))._dataset("train"), CocoInstances)


def test_a_split_that_a_folder_does_not_have(both: Path) -> None:
    assert layout_of(both, "dev") is None
    with pytest.raises(InputError, match=r"coco/dev: no such folder"):
        open_split(both, "dev")


def test_splits_of_a_folder_in_order(both: Path) -> None:
    expected = [("instances", "train"), ("panoptic", "train"), ("panoptic", "val"), ("panoptic", "test")]
    assert find_splits(both) == expected
