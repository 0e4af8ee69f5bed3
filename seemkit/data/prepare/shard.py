"""``seemkit data shard``: pack the files of a folder in a COCO layout into tar files."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias

from seemkit.data.coco.splits import DATASETS, find_splits
from seemkit.data.shards.index import FOLDER, Place, Shard, ShardIndex, index_path
from seemkit.errors import InputError
from seemkit.io.atomic import check_free, replacing_folder
from seemkit.io.folder import visible
from seemkit.io.read_errors import reading
from seemkit.io.storage import StoredFile
from seemkit.io.table import aligned

Sample: TypeAlias = dict[str, StoredFile]
"""The files of one image by member name; they are packed side by side in one shard."""


def shard(
    source: Path,
    out: Path,
    splits: Sequence[str] = (),
    images: int = 500,
    progress: Callable[[str], object] = lambda _: None,
) -> list[str]:
    """Write a folder that reads like `source` but has few files; return the lines of a summary.

    `out` gets the JSONs of ``annotations/`` unchanged. ``shards/<split>-000000.tar`` and so on hold the images and
    panoptic PNGs byte for byte, in the order of the JSON. ``shards/<split>.json`` gives the place of each file. Any tar
    program can unpack the shards, and the same source gives the same bytes. The JSONs and the presence of all files are
    checked first. Then everything is written into a temporary folder beside `out`, which is renamed at the end.

    Args:
        source: the folder with ``annotations/`` (see `DATASETS`) and the images, as files or in shards.
        out: the folder to write; it must be missing or empty.
        splits: the splits to pack; none means all. The JSONs of the other splits are omitted.
        images: number of images per shard, at least 1.
        progress: called with a line that says what is being done.

    Raises:
        InputError: an argument is invalid, the source is faulty, or `out` cannot be written; `out` stays unchanged.
    """
    if images < 1:
        raise InputError(f"--images {images}: expected the number of images in a shard, at least 1")
    check_free(out)
    found = find_splits(source)
    known = list(dict.fromkeys(split for _, split in found))
    if unknown := [split for split in splits if split not in known]:
        raise InputError(f"--split {unknown[0]}: {source} has no such split; choose from: {', '.join(known)}")
    chosen = [split for split in known if not splits or split in splits]
    samples = {}
    for split in chosen:
        progress(f"reading the annotations of {split}")
        samples[split] = _samples(source, split, [kind for kind, other in found if other == split])
    with replacing_folder(out) as draft:
        _copy_annotations(source, draft, left_out=set(known) - set(chosen))
        (draft / FOLDER).mkdir()
        indices = {split: _pack(samples[split], draft, split, images, progress) for split in chosen}
    return [f"{source}: packed into {out}", *_summary(samples, indices), f"next: seemkit data check {out}"]


def _samples(source: Path, split: str, kinds: Sequence[str]) -> list[Sample]:
    """Return one sample per image of a split, in the order of the JSONs; an image in several JSONs occurs once."""
    taken: dict[str, str] = {}
    samples: dict[str, Sample] = {}
    for kind in kinds:
        dataset = DATASETS[kind](source, split)
        for annotation in dataset.annotations:
            files = dataset.files(annotation)
            image, _ = files[0]
            sample = samples.setdefault(image, {})
            for member, file in files:
                if PurePosixPath(member).is_absolute() or ".." in PurePosixPath(member).parts:
                    raise InputError(
                        f"{dataset.json_path}: file_name leads to {file}, outside its folder; move the file into it"
                    )
                if taken.setdefault(member, str(file)) != str(file):
                    raise InputError(f"{file}: would be {member} in its shard, like {taken[member]}; rename one")
                sample.setdefault(member, file)
    return list(samples.values())


def _copy_annotations(source: Path, out: Path, left_out: set[str]) -> None:
    """Copy the JSONs, except those of the splits in `left_out`."""
    (out / "annotations").mkdir(parents=True)
    for path in visible((source / "annotations").glob("*.json")):
        if path.stem.partition("_")[2] not in left_out:
            with reading(path):
                content = path.read_bytes()
            (out / "annotations" / path.name).write_bytes(content)


def _pack(
    samples: Sequence[Sample], out: Path, split: str, images: int, progress: Callable[[str], object]
) -> ShardIndex:
    """Write the shards of a split and their index; return the index."""
    shards: list[Shard] = []
    places: dict[str, Place] = {}
    for number, start in enumerate(range(0, len(samples), images)):
        path = out / FOLDER / f"{split}-{number:06d}.tar"
        progress(f"packing {split} {start}/{len(samples)}")
        places |= _write_tar(path, number, samples[start : start + images])
        shards.append(Shard(path.name, path.stat().st_size))
    index = ShardIndex(tuple(shards), places)
    index.write(index_path(out, split))
    return index


def _write_tar(path: Path, number: int, samples: Sequence[Sample]) -> dict[str, Place]:
    """Write shard `number`; return the place of each member."""
    places = {}
    with path.open("wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for member, file in (item for sample in samples for item in sample.items()):
            with reading(file):
                content = file.read_bytes()
            places[member] = Place(number, _add(tar, stream, member, content), len(content))
    return places


def _add(tar: tarfile.TarFile, stream: BinaryIO, member: str, content: bytes) -> int:
    """Append a member; return the offset of its content."""
    # times, owner and permissions are TarInfo's constants, so the same files give the same bytes
    info = tarfile.TarInfo(member)
    info.size = len(content)
    tar.addfile(info, BytesIO(content))
    blocks = -(-len(content) // tarfile.BLOCKSIZE)
    return stream.tell() - blocks * tarfile.BLOCKSIZE


def _summary(samples: dict[str, list[Sample]], indices: dict[str, ShardIndex]) -> list[str]:
    """Return the table of images, shards and bytes per split."""
    rows = [("", "images", "shards", "bytes")]
    for split, index in indices.items():
        size = sum(shard.size for shard in index.shards)
        rows.append((split, str(len(samples[split])), str(len(index.shards)), str(size)))
    return aligned(rows, numbers=3)
