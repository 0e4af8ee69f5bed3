"""``seemkit data check``: read a whole folder once and report its content and its faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from seemkit.data.coco.base import CocoImages, nothing_to
from seemkit.data.coco.splits import DATASETS, find_splits
from seemkit.errors import InputError
from seemkit.io.table import aligned
from seemkit.types import Size, Target, Vocabulary

MIN_AREA: Final = 10
"""Training draws no visual prompt for a segment with fewer pixels (`seemkit.interactive.user.MIN_AREA`)."""
MOST_SHOWN: Final = 20


@dataclass(slots=True)
class _Problems:
    """The first problems of a folder, and the number of all problems."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, problem: str) -> None:
        self.count += 1
        if self.count <= MOST_SHOWN:
            self.shown.append(problem)

    def lines(self) -> list[str]:
        if not self.count:
            return ["no problem found"]
        more = [f"  … and {self.count - MOST_SHOWN} more"] if self.count > MOST_SHOWN else []
        return [f"problems: {self.count}", *(f"  {problem}" for problem in self.shown), *more]


class _Tally:
    """Sums over the samples of one split."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.sizes: Counter[Size] = Counter()
        self.empty = self.crowd = self.phrases = self.small = self.pixels = self.void = 0
        self.segments, self.images, self.area = torch.zeros(3, len(vocabulary), dtype=torch.int64)

    def add(self, target: Target) -> None:
        areas = target.masks.flatten(1).sum(1)
        self.sizes[target.size] += 1
        self.empty += not len(areas)
        self.crowd += int(target.crowd.sum())
        self.phrases += len(target.phrases)
        self.small += int((areas[~target.crowd] < MIN_AREA).sum())
        self.pixels += target.size.height * target.size.width
        self.void += int((~target.masks.any(0)).sum())
        self.segments += self._by_class(target.labels)
        self.images += self._by_class(target.labels.unique())
        self.area.index_add_(0, target.labels, areas)

    @property
    def trained(self) -> int:
        """Number of segments that training can use: all but crowds."""
        return int(self.segments.sum()) - self.crowd

    def _by_class(self, labels: Tensor) -> Tensor:
        return torch.bincount(labels, minlength=len(self.vocabulary))

    def lines(self) -> Iterator[str]:
        """Yield the lines that describe the content of the split."""
        count = self.sizes.total()
        yield f"  images    {count}{f', {self.empty} without a segment' if self.empty else ''}"
        if not count:
            return
        by_area = sorted(self.sizes.elements(), key=lambda size: (size.height * size.width, size))
        smallest, median, largest = (f"{s.width} x {s.height}" for s in (by_area[0], by_area[count // 2], by_area[-1]))
        yield f"  sizes     smallest {smallest}, median {median}, largest {largest}"
        yield f"  segments  {int(self.segments.sum())}, {self.crowd} of them crowd"
        yield f"  phrases   {self.phrases}"
        yield f"  void      {self.void / self.pixels:.1%} of all pixels"
        if self.small:
            yield f"  small     {self.small} segments under {MIN_AREA} pixels; training draws no visual prompt for them"
        yield from (f"  {line}" for line in self._classes())

    def _classes(self) -> list[str]:
        """Return the table of classes, most frequent first, and the names of the classes without a segment."""
        rows = [("class", "kind", "segments", "images", "mean area")]
        for label in self.segments.argsort(descending=True, stable=True).tolist():
            if segments := int(self.segments[label]):
                kind = "thing" if self.vocabulary.things[label] else "stuff"
                mean = f"{int(self.area[label]) / segments:.0f}"
                rows.append((self.vocabulary.names[label], kind, str(segments), str(int(self.images[label])), mean))
        absent = [name for name, n in zip(self.vocabulary.names, self.segments.tolist(), strict=True) if not n]
        return [*aligned(rows, numbers=3), *([f"without a segment: {', '.join(absent)}"] if absent else [])]


def check(folder: Path, progress: Callable[[str], object] = lambda _: None) -> tuple[list[str], int]:
    """Return the lines of a report on every split of a folder, and the number of problems.

    Each sample is read as in training. A faulty sample is reported, and the check continues with the next one. A split
    whose JSON is faulty or lists a missing file cannot be opened and counts as one problem. Only one sample is in
    memory at a time.

    Args:
        folder: the folder with ``annotations/``; `DATASETS` lists the JSONs of a split.
        progress: called with a line that says what is being read.

    Raises:
        InputError: the folder has no split.
    """
    splits = find_splits(folder)
    problems = _Problems()
    lines: list[str] = []
    vocabularies: dict[str, tuple[str, Vocabulary]] = {}
    for kind, split in splits:
        name = f"{kind}_{split}.json"
        lines.append(f"{split} ({name})")
        try:
            dataset = DATASETS[kind](folder, split)
        except InputError as error:
            problems.add(str(error))
            lines.append("  cannot be opened; see the problems below")
            continue
        first, vocabulary = vocabularies.setdefault(kind, (name, dataset.vocabulary))
        if dataset.vocabulary != vocabulary:
            problems.add(f"{folder / 'annotations' / name}: 'categories' differ from those of {first}; make them equal")
        tally = _tally(dataset, split, problems, progress)
        if tally.sizes and not tally.trained:
            problems.add(f"{folder / 'annotations' / name}: {nothing_to('train on or to measure', tally.crowd)}")
        lines += tally.lines()
    return [*lines, *problems.lines()], problems.count


def _tally(dataset: CocoImages[Any], split: str, problems: _Problems, progress: Callable[[str], object]) -> _Tally:
    tally = _Tally(dataset.vocabulary)
    for index in range(len(dataset)):
        progress(f"reading {split} {index + 1}/{len(dataset)}")
        try:
            _, target = dataset[index]
        except InputError as error:
            problems.add(str(error))
        else:
            tally.add(target)
    return tally
