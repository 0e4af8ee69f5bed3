"""Conversion of any supported format to the COCO instances layout."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pycocotools import mask as coco_mask

from seemkit.data.prepare.conversion import labelme, voc, yolo
from seemkit.data.prepare.conversion.annotated_image import AnnotatedImage, ForeignFolder, Instance, read_names
from seemkit.data.prepare.conversion.geometry import run_lengths
from seemkit.errors import InputError
from seemkit.io.atomic import check_free, replacing_folder
from seemkit.io.image import MIN_SIDE
from seemkit.io.table import aligned
from seemkit.types import Size

READERS: Final[dict[str, Callable[[Path, tuple[str, ...] | None, Counter[str]], ForeignFolder]]] = {
    "labelme": labelme.read,
    "voc": voc.read,
    "yolo": yolo.read,
}
SPLITS: Final = ("train", "val", "test")
EMPTY: Final = "objects without a pixel in their image: skipped"
SMALL: Final = f"images with a side under {MIN_SIDE} pixels: skipped"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to write: the images of each split, and the categories in the order of their ids."""

    splits: dict[str, list[AnnotatedImage]]
    names: tuple[str, ...]


def convert(
    kind: str,
    source: Path,
    out: Path,
    val: float = 0.1,
    seed: int = 0,
    names: Path | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> list[str]:
    """Convert a folder of another format to the COCO instances layout; return the lines of a summary.

    `out` gets ``<split>/`` with the images and ``annotations/instances_<split>.json``. Area and box of an annotation
    are those of its pixels. Everything is read and checked first, then written into a temporary folder beside `out`,
    which is renamed at the end.

    Args:
        kind: one of `READERS`.
        source: the folder to read.
        out: the folder to write; it must be missing or empty.
        val: share of images to draw for validation, 0..1 without 1, from the images without a split in the source.
        seed: seed of this draw.
        names: text file with one class name per line, used instead of the names in the source.
        progress: called with a line that says what is being done.

    Raises:
        InputError: an argument is invalid, the source is faulty, or `out` cannot be written; `out` stays unchanged.
    """
    if not 0 <= val < 1:
        raise InputError(f"--val {val:g}: expected a share from 0 to below 1, for example 0.1")
    if not source.exists():
        raise InputError(f"{source}: no such folder; check the path")
    check_free(out)
    notes: Counter[str] = Counter()
    plan = _plan(READERS[kind](source, read_names(names) if names else None, notes), val, seed, notes, progress)
    if not any(picture.instances for pictures in plan.splits.values() for picture in pictures):
        raise InputError(f"{source}: has no object that can be converted{_because(notes)}")
    with replacing_folder(out) as draft:
        _write(plan, draft, progress)
    return [f"{source}: {kind}, written to {out}", *_summary(plan), *(f"{note}: {n}" for note, n in notes.items())]


def _because(notes: Counter[str]) -> str:
    return "".join(f"; {note}: {count}" for note, count in notes.items()) or "; label something first"


def _plan(
    source: ForeignFolder, val: float, seed: int, notes: Counter[str], progress: Callable[[str], object]
) -> _Plan:
    pictures: list[AnnotatedImage] = []
    for picture in source.pictures:
        progress(f"reading {len(pictures) + 1}")
        if min(picture.size) < MIN_SIDE:
            notes[SMALL] += 1
        else:
            pictures.append(_without_empty(picture, notes))
    splits: dict[str, list[AnnotatedImage]] = {split: [] for split in SPLITS}
    for picture, split in zip(pictures, _drawn(pictures, val, seed), strict=True):
        splits[split].append(picture)
    for split, members in splits.items():
        sources: dict[str, Path] = {}
        for picture in members:
            if (other := sources.setdefault(picture.name, picture.source)) is not picture.source:
                raise InputError(
                    f"{picture.source}: its image would be {split}/{picture.name}, like that of {other}; rename one"
                )
    labels = {instance.label for picture in pictures for instance in picture.instances}
    return _Plan(
        {split: members for split, members in splits.items() if members}, source.names or tuple(sorted(labels))
    )


def _without_empty(picture: AnnotatedImage, notes: Counter[str]) -> AnnotatedImage:
    """Return the image without the instances that have no pixel, because they are too thin or outside the image."""
    kept = tuple(instance for instance in picture.instances if _area(instance, picture.size))
    if dropped := len(picture.instances) - len(kept):
        notes[EMPTY] += dropped
    return replace(picture, instances=kept)


def _area(instance: Instance, size: Size) -> int:
    return int(coco_mask.area(run_lengths(instance.segmentation, size))) if instance.segmentation else 0


def _drawn(pictures: list[AnnotatedImage], val: float, seed: int) -> list[str]:
    """Return the split of each image: its own or a random one; at least one of the random ones is for training."""
    free = [index for index, picture in enumerate(pictures) if picture.split is None]
    count = min(max(1, round(val * len(free))), len(free) - 1) if val and free else 0
    chosen = set(random.Random(seed).sample(free, count))
    return [picture.split or ("val" if index in chosen else "train") for index, picture in enumerate(pictures)]


def _write(plan: _Plan, root: Path, progress: Callable[[str], object]) -> None:
    (root / "annotations").mkdir(parents=True)
    category_of = {name: index for index, name in enumerate(plan.names, start=1)}
    image_id = annotation_id = 0
    for split, pictures in plan.splits.items():
        images, annotations = [], []
        for picture in pictures:
            progress(f"writing {split}/{picture.name}")
            target = root / split / picture.name
            target.parent.mkdir(parents=True, exist_ok=True)
            picture.save(target)
            image_id += 1
            height, width = picture.size
            images.append({"id": image_id, "file_name": picture.name, "height": height, "width": width})
            for instance in picture.instances:
                annotation_id += 1
                ids = {"id": annotation_id, "image_id": image_id, "category_id": category_of[instance.label]}
                annotations.append(ids | _record(instance, picture))
        categories = [{"id": category_id, "name": name} for name, category_id in category_of.items()]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content), encoding="utf-8")


def _record(instance: Instance, picture: AnnotatedImage) -> dict[str, Any]:
    """Return the COCO fields of an instance other than its ids."""
    runs = run_lengths(instance.segmentation, picture.size)
    return {
        "segmentation": instance.segmentation,
        "area": int(coco_mask.area(runs)),
        "bbox": coco_mask.toBbox(runs).tolist(),
        "iscrowd": 0,
    }


def _summary(plan: _Plan) -> list[str]:
    """Return the table of images and instances per split, and of instances per class."""
    counts = {
        split: Counter(instance.label for picture in pictures for instance in picture.instances)
        for split, pictures in plan.splits.items()
    }
    rows = [["", *counts]]
    rows.append(["images", *(str(len(pictures)) for pictures in plan.splits.values())])
    rows.append(["instances", *(str(count.total()) for count in counts.values())])
    rows += [[f"  {name}", *(str(count[name]) for count in counts.values())] for name in plan.names]
    return aligned(rows, numbers=len(counts))
