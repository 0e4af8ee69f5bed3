"""Writing of a data set of scenes in the COCO panoptic format, with referring expressions."""

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
from seemkit.io.panoptic_png import encode_ids

Record: TypeAlias = dict[str, Any]

VERSION: Final = 1
"""Increase this whenever the same request gives different files."""
MANIFEST: Final = "scenes.json"
SMALLEST_SIZE: Final = 64
MOST_IMAGES: Final = 1_000_000
"""Maximum number of images in a split, set by the file names and the 24 bits of a segment id."""

_CHUNK: Final = 32
_IDS_PER_IMAGE: Final = 16
"""Segment ids reserved for each image, so that ids are unique in a split, as in COCO."""


class _Chunk(NamedTuple):
    """Consecutive images of one split, written by one call in a process."""

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
    """Write a data set of scenes to the folder `root`, unless it already has this data set; return `root`.

    The images of a split are ``root/<split>/000000.png`` and so on. As in COCO panoptic, ``root/annotations`` holds
    ``panoptic_<split>.json`` and the maps ``panoptic_<split>/000000.png`` (id = R + 256 G + 65536 B). It also holds
    ``refs_<split>.json`` with the records of RefCOCO; each reference has a list of ``tags``. ``root/scenes.json``
    records the request. All files are written into a temporary folder beside `root`, which is renamed at the end.

    Args:
        root: the folder to write; missing parent folders are created.
        images: number of images in each split, for example ``{"train": 4000, "val": 100, "test": 200}``. An image
            does not depend on these numbers. Splits whose name starts with ``"train"`` contain no held-out pairs.
        seed: at least 0.
        size: height and width of the images in pixels, at least `SMALLEST_SIZE`.
        workers: number of processes; None means one per CPU, 1 means this process.
        progress: called with the number of images written so far and the total number.

    Raises:
        InputError: an argument is invalid, or `root` exists and holds anything but this data set.
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
            raise InputError(
                f"images: {split!r} cannot name a split; use letters, digits and underscores, not 'annotations'"
            )
        if not 1 <= count <= MOST_IMAGES:
            raise InputError(f"images: split {split!r} has {count} images; use 1 to {MOST_IMAGES}, or omit the split")
    if not images:
        raise InputError("images: no split given; name at least one, for example {'train': 100}")
    if seed < 0:
        raise InputError(f"seed: {seed} is negative; use 0 or more")
    if size < SMALLEST_SIZE:
        raise InputError(f"size: {size} pixels are too few for a scene; use at least {SMALLEST_SIZE}")


def _is_there(root: Path, manifest: Record) -> bool:
    """Return whether `root` holds the data set of `manifest`; raise InputError if it holds anything else."""
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
    """Rename the finished folder, unless another process has finished the same request in the meantime."""
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
    # On an error the results are closed at once, so no process still writes when the folder is removed.
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
    """Yield the records of each chunk, in order."""
    if min(workers, len(chunks)) == 1:
        yield from map(_write_chunk, chunks)
        return
    with ProcessPoolExecutor(min(workers, len(chunks))) as pool:
        yield from pool.map(_write_chunk, chunks)


def _write_chunk(chunk: _Chunk) -> tuple[list[Record], list[Record]]:
    """Write the images and maps of a chunk; return its annotations and its references, not yet numbered."""
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
    """Return the file name of an image and of its map, for example ``"000012.png"``."""
    return f"{index:06d}.png"


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(path, compress_level=1)


def _dump(path: Path, record: Record) -> None:
    path.write_text(json.dumps(record), encoding="utf-8")


def _segments(scene: Scene, index: int) -> list[Record]:
    """Return the `segments_info` of a scene."""
    areas = np.bincount(scene.ids.ravel())
    colors = {thing.id: [thing.color] for thing in scene.things}
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
                "attributes": colors.get(number, []),
            }
        )
    return records


def _refs(scene: Scene, split: str, index: int) -> list[Record]:
    """Return one reference per phrase, because the phrases of one thing differ in their tags."""
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
    """Return the references with `ref_id` and `sent_id`; each has one sentence."""
    return [
        {"ref_id": number, **ref, "sentences": [{"sent_id": number, **sentence} for sentence in ref["sentences"]]}
        for number, ref in enumerate(refs)
    ]


def _panoptic(annotations: list[Record], size: int) -> Record:
    """Return the content of a panoptic JSON file."""
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
