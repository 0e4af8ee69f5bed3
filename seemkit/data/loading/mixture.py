"""What is trained on: splits of folders in COCO's layouts, alone or mixed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from seemkit.data.coco.base import CocoImages
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.lvis import LvisChoice
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.loading.samplers import SampleKey
from seemkit.data.loading.transforms import Sample, Transform
from seemkit.data.refcoco.dataset import RefCoco
from seemkit.errors import InputError
from seemkit.types import Vocabulary


@dataclass(frozen=True)
class Source:
    """A split of a folder.

    Attributes:
        root: the folder: COCO panoptic (``annotations/panoptic_<split>.json``), COCO instances
            (``annotations/instances_<split>.json``; panoptic wins), either of them with its images as files or in
            shards (`seemkit.data.shards`), or the releases of RefCOCO.
        split: for example ``train2017``.
        weight: how often its images come, against the other sources; each starts from its share of all images.
        grounding: panoptic only: a JSON of referred objects (`seemkit.data.coco.grounding.Grounding`).
        lvis: panoptic only: a JSON of LVIS, whose masks replace those of things (`seemkit.data.coco.lvis.Lvis`).
        lvis_choice: which of several fitting LVIS objects; the reference takes the first.
        exclude: panoptic only: files whose images are left out (`seemkit.data.coco.excluded_images`).
        skip_empty: instances only: leave out objects without a pixel in place of an error.
        release: the release of RefCOCO in `root`: ``refcoco``, ``refcoco+`` or ``refcocog``.
        split_by: who chose its splits: ``unc``, ``umd`` or ``google``.
        images: its folder of images.
    """

    root: str
    split: str
    weight: float = 1.0
    grounding: str | None = None
    lvis: str | None = None
    lvis_choice: LvisChoice = "first"
    exclude: tuple[str, ...] = ()
    skip_empty: bool = False
    release: str | None = None
    split_by: str = "unc"
    images: str | None = None

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise InputError(f"sources: {self.root}: weight is {self.weight}; use a number above 0 or leave it out")

    def open(self, transform: Transform | None = None, seed: int = 0) -> CocoImages[Any]:
        """Its dataset.

        Raises:
            InputError: a file is missing or faulty; it names file and field.
        """
        if self.release is not None:
            return RefCoco(
                self.root, self.release, self.split_by, self.split, self.images, transform=transform, seed=seed
            )
        annotations = Path(self.root) / "annotations"
        instances, panoptic = (annotations / f"{kind}_{self.split}.json" for kind in ("instances", "panoptic"))
        if instances.is_file() and not panoptic.is_file():
            return CocoInstances(self.root, self.split, transform=transform, seed=seed, skip_empty=self.skip_empty)
        return CocoPanoptic(
            self.root,
            self.split,
            transform=transform,
            seed=seed,
            grounding=self.grounding,
            lvis=self.lvis,
            lvis_choice=self.lvis_choice,
            exclude=self.exclude,
        )


class Mixture(Dataset[Sample]):
    """Several datasets one behind the other, with the classes of all of them.

    Classes of one name are one class. A dataset that lacks a class counts its objects as background; give datasets that
    share their classes.

    Attributes:
        datasets: the parts.
        vocabulary: the classes of the first, then what the others add.
        lengths: samples of each part.
    """

    def __init__(self, datasets: Sequence[CocoImages[Any]]) -> None:
        """Unite the classes.

        Raises:
            InputError: a class is a thing in one dataset and stuff in another.
        """
        self.datasets = list(datasets)
        self.lengths = [len(dataset) for dataset in datasets]
        things: dict[str, bool] = {}
        for dataset in datasets:
            for name, thing in zip(dataset.vocabulary.names, dataset.vocabulary.things, strict=True):
                if things.setdefault(name, thing) != thing:
                    raise InputError(
                        f"{dataset.json_path}: category {name!r} is {'a thing' if thing else 'stuff'}, elsewhere it is "
                        "not; make 'isthing' equal or rename it"
                    )
        self.vocabulary = Vocabulary(tuple(things), tuple(things.values()))
        place = {name: label for label, name in enumerate(things)}
        self._labels = [torch.tensor([place[name] for name in dataset.vocabulary.names]) for dataset in datasets]
        self._ends = list(accumulate(self.lengths))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """The sample at a position among all, with labels of the common vocabulary."""
        sample = SampleKey.of(key)
        part, inner = self._find(sample.position)
        image, target = self.datasets[part][SampleKey(inner, sample.epoch)]
        return image, replace(target, labels=self._labels[part][target.labels])

    @property
    def wide(self) -> list[bool]:
        """For each sample whether its image is wider than high."""
        return [annotation.wide for dataset in self.datasets for annotation in dataset.annotations]

    def _find(self, position: int) -> tuple[int, int]:
        part = bisect_right(self._ends, position)
        return part, position - (self._ends[part] - self.lengths[part])


def mixed_order(lengths: Sequence[int], weights: Sequence[float], generator: torch.Generator) -> Tensor:
    """Positions for an epoch over several datasets, int64, as many as they have samples together.

    Each dataset gets a share in proportion to its length times its weight. Where that is more than it has, its samples
    come again, all of them equally often but for one time; where it is less, some are left out.

    Args:
        lengths: samples of each dataset, which lie one behind the other.
        weights: above 0.
        generator: of the order.
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
    """The positions reordered so that a batch has images of one orientation, which need less padding.

    Batches come in the order in which they fill up; what is left over comes last and may be mixed.
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
