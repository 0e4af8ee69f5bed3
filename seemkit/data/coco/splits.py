"""The layouts of a COCO folder: which splits it has, in which layout each is, and what opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from seemkit.data.coco.base import CocoImages
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.errors import InputError

DATASETS: Final[dict[str, Callable[..., CocoImages[Any]]]] = {"panoptic": CocoPanoptic, "instances": CocoInstances}
"""The dataset of each layout, by the first word of its JSON, ``annotations/<layout>_<split>.json``; the first wins."""


def layout_of(folder: Path, split: str) -> str | None:
    """Return the layout of a split, a key of `DATASETS`: the first that the folder has, or None."""
    return next((kind for kind in DATASETS if (folder / "annotations" / f"{kind}_{split}.json").is_file()), None)


def open_split(folder: Path, split: str, **settings: Any) -> CocoImages[Any]:  # noqa: ANN401 (of the dataset)
    """Return the dataset of a split.

    Args:
        folder: contains ``annotations/``.
        split: for example ``train2017``.
        settings: further arguments of the dataset, such as `transform`.

    Raises:
        InputError: a file is missing or faulty; the message names file and field.
    """
    return DATASETS[layout_of(folder, split) or "panoptic"](folder, split, **settings)


def find_splits(folder: Path) -> list[tuple[str, str]]:
    """Return layout and split of every JSON that defines a split: train, then val, then test, then others.

    Raises:
        InputError: the folder has none.
    """
    found = []
    for path in sorted((folder / "annotations").glob("*.json")):
        kind, _, split = path.stem.partition("_")
        if kind in DATASETS and split:
            found.append((kind, split))
    if not found:
        wanted = " or ".join(f"{kind}_<split>.json" for kind in DATASETS)
        raise InputError(f"{folder / 'annotations'}: holds no {wanted}; give the folder that holds annotations/")
    order = ("train", "val", "test")
    return sorted(found, key=lambda item: next((i for i, name in enumerate(order) if item[1].startswith(name)), 3))
