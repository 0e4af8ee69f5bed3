"""The splits of a COCO folder, their layouts, and the datasets that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from seemkit.data.coco.base import CocoImages
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.errors import InputError
from seemkit.io.folder import visible

DATASETS: Final[dict[str, Callable[..., CocoImages[Any]]]] = {"panoptic": CocoPanoptic, "instances": CocoInstances}
"""Dataset of each layout; its JSON is ``annotations/<layout>_<split>.json``. If a split has several, the first wins."""


def layout_of(folder: Path, split: str) -> str | None:
    """Return the layout of a split, the first key of `DATASETS` whose JSON exists; None if none does."""
    return next((kind for kind in DATASETS if (folder / "annotations" / f"{kind}_{split}.json").is_file()), None)


def open_split(folder: Path, split: str, **settings: Any) -> CocoImages[Any]:  # noqa: ANN401 (of the dataset)
    """Return the dataset of a split.

    Args:
        folder: folder that contains ``annotations/``.
        split: name of the split, for example ``train2017``.
        settings: further arguments of the dataset, such as `transform`.

    Raises:
        InputError: a file is missing or faulty; the message names the file and the field.
    """
    return DATASETS[layout_of(folder, split) or "panoptic"](folder, split, **settings)


def find_splits(folder: Path) -> list[tuple[str, str]]:
    """Return the layout and name of every split, in the order train, val, test, others.

    Raises:
        InputError: the folder has no split.
    """
    found = []
    for path in visible((folder / "annotations").glob("*.json")):
        kind, _, split = path.stem.partition("_")
        if kind in DATASETS and split:
            found.append((kind, split))
    if not found:
        wanted = " or ".join(f"{kind}_<split>.json" for kind in DATASETS)
        raise InputError(f"{folder / 'annotations'}: holds no {wanted}; give the folder that holds annotations/")
    order = ("train", "val", "test")
    return sorted(found, key=lambda item: next((i for i, name in enumerate(order) if item[1].startswith(name)), 3))


def check_splits(folder: Path, wanted: Mapping[str, str]) -> None:
    """Raise InputError unless a folder has the wanted splits; the message names those that it has.

    Args:
        folder: folder that contains ``annotations/``.
        wanted: name of each split, by the setting that gives it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; set data.root")
    for setting, split in wanted.items():
        if layout_of(folder, split) is None:
            found = ", ".join(dict.fromkeys(name for _, name in find_splits(folder)))
            raise InputError(f"{folder}: has no split {split!r}, but {found}; set data.{setting} to one of these")
