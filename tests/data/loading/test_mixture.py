from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from seemkit.data import CocoSource
from seemkit.data.datamodules.coco import CocoDataModule
from seemkit.data.loading.mixture import Mixture, group_batches, mixed_order
from seemkit.data.loading.samplers import SampleKey, SeededSampler
from seemkit.data.loading.transforms import LargeScaleJitter
from seemkit.errors import InputError
from tests.builders import write_coco


def order(lengths: list[int], weights: list[float], seed: int = 0) -> list[int]:
    return mixed_order(lengths, weights, torch.Generator().manual_seed(seed)).tolist()


def test_equal_weights_are_a_permutation():
    found = order([7, 5], [1.0, 1.0])
    assert sorted(found) == list(range(12))
    assert found != order([7, 5], [1.0, 1.0], seed=1)
    assert found == order([7, 5], [1.0, 1.0])


def test_a_heavier_source_comes_more_often_and_evenly():
    found = order([10, 30], [3.0, 1.0])
    counts = Counter(found)
    assert len(found) == 40
    assert sum(counts[n] for n in range(10)) == 20
    assert {counts[n] for n in range(10)} == {2}
    assert max(counts[n] for n in range(10, 40)) == 1
    assert any(position < 10 for position in found[:10])


def test_no_source_is_lost_to_rounding():
    assert len(order([3, 3, 3], [1.0, 0.3, 0.5])) == 9


def test_batches_have_one_orientation():
    wide = [bool(n % 3) for n in range(20)]
    found = group_batches(list(range(20)), wide, 4)
    assert sorted(found) == list(range(20))
    mixed = [len({wide[n] for n in found[start : start + 4]}) > 1 for start in range(0, 20, 4)]
    assert mixed == [False, False, False, False, True]


def test_a_mixture_has_the_classes_of_all(tmp_path: Path):
    first = write_coco(tmp_path / "a", {"train": 3, "val": 2})
    second = write_coco(tmp_path / "b", {"train": 2})
    panoptic = second / "annotations" / "panoptic_train.json"
    panoptic.write_text(panoptic.read_text().replace('"name": "star"', '"name": "comet"'))
    sources = [CocoSource(str(first), "train"), CocoSource(str(second), "train", weight=2.0)]
    data = CocoDataModule(str(first), sources=sources, test_split="val", batch_size=2)
    assert data.vocabulary.names == ("grass", "star", "comet")
    assert data.vocabulary.things == (False, True, True)
    mixture = data.train_dataloader().dataset
    assert len(mixture) == 5
    assert sorted(mixture[2][1].labels.tolist()) == [0, 1, 1]
    assert sorted(mixture[3][1].labels.tolist()) == [0, 2, 2]
    names = [target.name for batch in data.train_dataloader() for target in batch.targets]
    assert len(names) == 5
    assert [target.labels.max().item() for batch in data.val_dataloader() for target in batch.targets] == [1, 1]


def test_a_class_is_not_thing_and_stuff(tmp_path: Path):
    first, second = (write_coco(tmp_path / name, {"train": 1}) for name in "ab")
    panoptic = second / "annotations" / "panoptic_train.json"
    panoptic.write_text(panoptic.read_text().replace('"isthing": 1', '"isthing": 0'))
    with pytest.raises(InputError, match="category 'star'"):
        Mixture([CocoSource(str(root), "train").open() for root in (first, second)])


def test_weights_are_above_zero():
    with pytest.raises(InputError, match="weight is 0"):
        CocoSource("a", "train", weight=0)


def test_a_resumed_epoch_goes_on_in_the_same_order():
    wide = [n % 2 == 0 for n in range(12)]
    settings = {"order": lambda g: mixed_order([8, 4], [1.0, 2.0], g), "arrange": lambda p: group_batches(p, wide, 2)}
    sampler = SeededSampler(12, 0, **settings)
    sampler.set_epoch(3)
    whole = list(sampler)
    sampler.start = 6
    assert list(sampler) == whole[6:]
    assert all(isinstance(key, SampleKey) and key.epoch == 3 for key in whole)


def test_jitter_makes_batches_of_one_size(tmp_path: Path):
    root = write_coco(tmp_path / "a", {"train": 4})
    data = CocoDataModule(str(root), jitter=LargeScaleJitter(64), batch_size=2)
    assert {tuple(image.shape) for batch in data.train_dataloader() for image in batch.images} == {(3, 64, 64)}
