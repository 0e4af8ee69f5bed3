"""Several datasets as one: their common classes, and the order of the samples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from seemkit.data.loading.copy_paste import paste
from seemkit.data.loading.samplers import SampleKey
from seemkit.data.loading.transforms import Sample
from seemkit.errors import InputError
from seemkit.ops.generators import seeded
from seemkit.types import Vocabulary

if TYPE_CHECKING:  # data sets know loading, not the other way round
    from seemkit.data.coco.base import CocoImages

COPY_PASTE = 1
"""Keeps the random choices of copy-paste apart from those of the transforms."""


class Mixture(Dataset[Sample]):
    """Several datasets, one after another, with the classes of all of them.

    Classes with the same name are one class. In a dataset that lacks a class, objects of this class count as
    background, so mix datasets that share their classes.

    Attributes:
        datasets: the datasets.
        vocabulary: classes of the first dataset, then those that the others add.
        lengths: number of samples of each dataset.
    """

    def __init__(self, datasets: Sequence[CocoImages[Any]], copy_paste: float = 0.0, seed: int = 0) -> None:
        """Merge the classes of the datasets.

        Args:
            datasets: the datasets.
            copy_paste: probability that an object of another random sample is pasted into a sample, see `paste`.
            seed: seed of these choices.

        Raises:
            InputError: a class is a thing in one dataset and stuff in another.
        """
        self.datasets = list(datasets)
        self.copy_paste, self.seed = copy_paste, seed
        self.lengths = [len(dataset) for dataset in datasets]
        things: dict[str, bool] = {}
        for dataset in datasets:
            for name, thing in zip(dataset.vocabulary.names, dataset.vocabulary.things, strict=True):
                if things.setdefault(name, thing) != thing:
                    raise InputError(
                        f"{dataset.json_path}: category {name!r} is {'a thing' if thing else 'stuff'}, but not in an "
                        "earlier source; make 'isthing' equal or rename the category"
                    )
        self.vocabulary = Vocabulary(tuple(things), tuple(things.values()))
        place = {name: label for label, name in enumerate(things)}
        self._labels = [torch.tensor([place[name] for name in dataset.vocabulary.names]) for dataset in datasets]
        self._ends = list(accumulate(self.lengths))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """Return the sample at a position in the sequence of all datasets, with labels of the common vocabulary."""
        wanted = SampleKey.of(key)
        sample = self._read(wanted)
        if not self.copy_paste:
            return sample
        generator = seeded(self.seed, wanted.epoch, wanted.position + 1, COPY_PASTE)
        if torch.rand((), generator=generator) >= self.copy_paste:
            return sample
        other = int(torch.randint(len(self), (), generator=generator))
        return paste(sample, self._read(SampleKey(other, wanted.epoch)), generator)

    def _read(self, key: SampleKey) -> Sample:
        part, inner = self._find(key.position)
        image, target = self.datasets[part][SampleKey(inner, key.epoch)]
        return image, replace(target, labels=self._labels[part][target.labels])

    @property
    def wide(self) -> list[bool]:
        """For each sample, whether its image is wider than high."""
        return [annotation.wide for dataset in self.datasets for annotation in dataset.annotations]

    def _find(self, position: int) -> tuple[int, int]:
        part = bisect_right(self._ends, position)
        return part, position - (self._ends[part] - self.lengths[part])


def mixed_order(lengths: Sequence[int], weights: Sequence[float], generator: torch.Generator) -> Tensor:
    """Return the positions of an epoch over several datasets, int64, as many as the datasets have samples in total.

    Each dataset gets a share proportional to its length times its weight. If the share is larger than the dataset, its
    samples repeat, all equally often, plus or minus one. If it is smaller, some samples are skipped.

    Args:
        lengths: number of samples of each dataset, in their order.
        weights: weight of each dataset, above 0.
        generator: source of the random order.
    """
    total = sum(lengths)
    wanted = torch.tensor([length * weight for length, weight in zip(lengths, weights, strict=True)])
    ends = (wanted.cumsum(0) * (total / wanted.sum())).round().long()
    counts = ends.diff(prepend=ends.new_zeros(1)).tolist()
    order, start = [], 0
    for length, count in zip(lengths, counts, strict=True):
        rounds = [torch.randperm(length, generator=generator) for _ in range(-(-count // length))]
        order.append(start + torch.cat([*rounds, torch.zeros(0, dtype=torch.int64)])[:count])
        start += length
    positions = torch.cat(order)
    return positions[torch.randperm(len(positions), generator=generator)]


def group_batches(positions: Sequence[int], wide: Sequence[bool], batch: int) -> list[int]:
    """Return the positions in an order in which the images of a batch have the same orientation and need less padding.

    Batches are in the order in which they fill up. Remaining positions come last, where orientations can be mixed.
    """
    found: list[int] = []
    waiting: dict[bool, list[int]] = {False: [], True: []}
    for position in positions:
        group = waiting[wide[position]]
        group.append(position)
        if len(group) == batch:
            found += group
            group.clear()
    return found + waiting[True] + waiting[False]
