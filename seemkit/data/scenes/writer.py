"""Scenes on disk in the COCO panoptic format with referring expressions: a data set made from a seed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from seemkit.data.scenes.scene import Scene, make_scene
from seemkit.data.scenes.vocabulary import CATEGORY_IDS, STUFF
from seemkit.errors import InputError

Record: TypeAlias = dict[str, Any]

VERSION: Final = 1
"""To be raised whenever the same request gives other files than before."""
MANIFEST: Final = "scenes.json"
SMALLEST_SIZE: Final = 64
MOST_IMAGES: Final = 1_000_000
"""In one split: the most that the file names and the 24 bits of a segment id have room for."""

_CHUNK: Final = 32
_IDS_PER_IMAGE: Final = 16
"""Room for the segments of one image, so that segment ids are unique in a split, as COCO's are."""


class _Chunk(NamedTuple):
    """Consecutive images of one split: the work of one call in a process."""

    root: Path
    seed: int
    size: int
    split: str
    start: int
    stop: int


def write_scenes(
    root: Path,
    images: dict[str, int],
    seed: int = 0,
    size: int = 128,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """The folder `root` with a data set of scenes, written now unless it is there already.

    A split has its pictures in ``root/<split>/000000.png``. Beside them ``root/annotations`` holds, as COCO panoptic
    does, ``panoptic_<split>.json`` and the maps ``panoptic_<split>/000000.png`` (id = R + 256 G + 65536 B), and, in the
    records of RefCOCO, ``refs_<split>.json``; each reference has a list of ``tags``. ``root/scenes.json`` says what was
    asked for. Everything is written into a temporary folder beside `root` that is renamed at the end.

    Args:
        root: the folder to make; its parents are made too.
        images: how many images each split has, for example ``{"train": 4000, "val": 100, "test": 200}``. An image
            does not depend on these numbers. Splits whose name starts with ``"train"`` hold no held-out pairs.
        seed: at least 0.
        size: height and width of the images in pixels, at least `SMALLEST_SIZE`.
        workers: number of processes; None takes one for each CPU, 1 works in this process.
        progress: called with the number of images written so far and the number of all.

    Raises:
        InputError: a bad argument, or `root` exists and is something else than what is asked for.
    """
    _check(images, seed, size)
    manifest: Record = {"version": VERSION, "seed": seed, "size": size, "images": images}
    if _is_there(root, manifest):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as temporary:
        draft = Path(temporary) / root.name
        _write_splits(draft, images, seed, size, workers or os.cpu_count() or 1, progress)
        _dump(draft / MANIFEST, manifest)
        _publish(draft, root, manifest)
    return root


def _check(images: dict[str, int], seed: int, size: int) -> None:
    for split, count in images.items():
        if not split.isidentifier() or split == "annotations":
            raise InputError(f"images: split {split!r} is no good folder name; use letters, digits and underscores")
        if not 1 <= count <= MOST_IMAGES:
            raise InputError(f"images: split {split!r} has {count} images; ask for 1 to {MOST_IMAGES} or leave it out")
    if not images:
        raise InputError("images: no split is given; name at least one, for example {'train': 100}")
    if seed < 0:
        raise InputError(f"seed: {seed} is negative; use 0 or more")
    if size < SMALLEST_SIZE:
        raise InputError(f"size: {size} pixels are too few for a scene; use at least {SMALLEST_SIZE}")


def _is_there(root: Path, manifest: Record) -> bool:
    """Whether `root` holds what the manifest says; raises where it holds anything else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"{root}: exists but has no readable {MANIFEST}; choose another folder or remove this one"
        ) from None
    if found != manifest:
        raise InputError(
            f"{root / MANIFEST}: holds scenes for {found}, not for {manifest}; choose another folder or remove this one"
        )
    return True


def _publish(draft: Path, root: Path, manifest: Record) -> None:
    """Renames the finished folder, unless another process has finished the same request in the meantime."""
    try:
        draft.rename(root)
    except OSError:
        if not _is_there(root, manifest):
            raise


def _write_splits(
    root: Path,
    images: dict[str, int],
    seed: int,
    size: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    total, done = sum(images.values()), 0
    for split in images:
        (root / split).mkdir(parents=True)
        (root / "annotations" / f"panoptic_{split}").mkdir(parents=True)
    chunks = [
        _Chunk(root, seed, size, split, start, min(start + _CHUNK, count))
        for split, count in images.items()
        for start in range(0, count, _CHUNK)
    ]
    annotations: dict[str, list[Record]] = {split: [] for split in images}
    refs: dict[str, list[Record]] = {split: [] for split in images}
    # Closed at once on an error, so that no process still writes when the folder is cleared away.
    with closing(_run(chunks, workers)) as results:
        for chunk, (some_annotations, some_refs) in zip(chunks, results, strict=True):
            annotations[chunk.split] += some_annotations
            refs[chunk.split] += some_refs
            done += chunk.stop - chunk.start
            if progress is not None:
                progress(done, total)
    for split in images:
        _dump(root / "annotations" / f"panoptic_{split}.json", _panoptic(annotations[split], size))
        _dump(root / "annotations" / f"refs_{split}.json", {"refs": _numbered(refs[split])})


def _run(chunks: list[_Chunk], workers: int) -> Generator[tuple[list[Record], list[Record]], None, None]:
    """The records of each chunk, in order."""
    if min(workers, len(chunks)) == 1:
        yield from map(_write_chunk, chunks)
        return
    with ProcessPoolExecutor(min(workers, len(chunks))) as pool:
        yield from pool.map(_write_chunk, chunks)


def _write_chunk(chunk: _Chunk) -> tuple[list[Record], list[Record]]:
    """Writes the pictures and maps of a chunk; returns its annotations and its references, not yet numbered."""
    annotations, refs = [], []
    for index in range(chunk.start, chunk.stop):
        scene = make_scene(chunk.seed, chunk.split, index, chunk.size)
        name = file_name(index)
        ids = scene.ids.astype(np.int64) + index * _IDS_PER_IMAGE
        _save(chunk.root / chunk.split / name, scene.image)
        _save(chunk.root / "annotations" / f"panoptic_{chunk.split}" / name, encode_ids(ids))
        annotations.append({"image_id": index, "file_name": name, "segments_info": _segments(scene, index)})
        refs += _refs(scene, chunk.split, index)
    return annotations, refs


def file_name(index: int) -> str:
    """The name of a picture and of its map, for example ``"000012.png"``."""
    return f"{index:06d}.png"


def encode_ids(ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Segment ids [H, W] as an RGB picture [H, W, 3] in which id = R + 256 G + 65536 B (COCO panoptic)."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def decode_ids(picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The segment ids [H, W] that an RGB picture [H, W, 3] encodes (COCO panoptic)."""
    return picture.astype(np.int64) @ np.array([1, 256, 65536])


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(path, compress_level=1)


def _dump(path: Path, record: Record) -> None:
    path.write_text(json.dumps(record), encoding="utf-8")


def _segments(scene: Scene, index: int) -> list[Record]:
    """The `segments_info` of a scene."""
    areas = np.bincount(scene.ids.ravel())
    records = []
    for number, box in enumerate(ndimage.find_objects(scene.ids), start=1):
        rows, columns = box
        records.append(
            {
                "id": index * _IDS_PER_IMAGE + number,
                "category_id": CATEGORY_IDS[scene.classes[number - 1]],
                "area": int(areas[number]),
                "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                "iscrowd": 0,
            }
        )
    return records


def _refs(scene: Scene, split: str, index: int) -> list[Record]:
    """One reference a phrase, for phrases of one thing differ in their tags."""
    return [
        {
            "image_id": index,
            "ann_id": index * _IDS_PER_IMAGE + phrase.id,
            "category_id": CATEGORY_IDS[scene.classes[phrase.id - 1]],
            "split": split,
            "tags": list(phrase.tags),
            "sentences": [{"sent": phrase.text}],
        }
        for phrase in scene.expressions
    ]


def _numbered(refs: list[Record]) -> list[Record]:
    """The same references with `ref_id` and `sent_id`; each has one sentence."""
    return [
        {"ref_id": number, **ref, "sentences": [{"sent_id": number, **sentence} for sentence in ref["sentences"]]}
        for number, ref in enumerate(refs)
    ]


def _panoptic(annotations: list[Record], size: int) -> Record:
    """The content of a panoptic JSON file."""
    return {
        "info": {"description": f"seemkit scenes, generator version {VERSION}"},
        "images": [
            {"id": record["image_id"], "file_name": record["file_name"], "height": size, "width": size}
            for record in annotations
        ],
        "annotations": annotations,
        "categories": [
            {
                "id": number,
                "name": name,
                "isthing": int(name not in STUFF),
                "supercategory": "stuff" if name in STUFF else "thing",
            }
            for name, number in CATEGORY_IDS.items()
        ],
    }
