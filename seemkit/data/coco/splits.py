"""COCO's layouts of a folder: which splits it has, and what opens them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from seemkit.data.coco.base import CocoImages
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.errors import InputError

DATASETS: Final[dict[str, Callable[[Path, str], CocoImages[Any]]]] = {
    "panoptic": CocoPanoptic,
    "instances": CocoInstances,
}
"""What opens a split, by the first word of its JSON: ``annotations/<word>_<split>.json``."""


def find_splits(folder: Path) -> list[tuple[str, str]]:
    """The first word and the split of every JSON that makes a split; train before val before test, then others.

    Raises:
        InputError: there is none.
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
