"""The index of a split's shards: which tar file holds which member, and where in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json

FOLDER: Final = "shards"
PANOPTIC: Final = "panoptic"
"""The kind of member that a panoptic PNG becomes."""


class Shard(NamedTuple):
    """A tar file: its name and its size in bytes."""

    name: str
    size: int


class Place(NamedTuple):
    """Where the content of a member lies.

    Attributes:
        shard: number of the tar file in the index.
        offset: of the first byte in it.
        size: in bytes.
    """

    shard: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """The shards of one split.

    Attributes:
        shards: the tar files, in their order.
        places: of each member by its name.
    """

    shards: tuple[Shard, ...]
    places: dict[str, Place]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        shards = [{"name": shard.name, "bytes": shard.size} for shard in self.shards]
        content = {"shards": shards, "files": self.places}
        path.write_text(json.dumps(content), encoding="utf-8")


def index_path(root: Path, split: str) -> Path:
    """Where the index of a split lies."""
    return root / FOLDER / f"{split}.json"


def member_name(file_name: str, kind: str = "") -> str:
    """The name of a file in its shard: its own, or with the kind before the suffix, such as ``000017.panoptic.png``.

    Up to the first dot it is thus that of the image, which is how WebDataset finds what belongs together.
    """
    if not kind:
        return file_name
    stem, dot, suffix = file_name.rpartition(".")
    return f"{stem}.{kind}.{suffix}" if dot else f"{file_name}.{kind}"


def read_index(path: Path) -> ShardIndex:
    """The index in a file, whose shards are all there and of the size that it says.

    A shard that was cut short, by a full disk or a copy that was broken off, is thereby found before training.

    Raises:
        InputError: the file is faulty, or a shard is missing or of another size.
    """
    content = read_json(path)
    shards = []
    for number, record in enumerate(field(content, "shards", list, str(path))):
        where = f"{path}: shards[{number}]"
        shards.append(Shard(field(record, "name", str, where), field(record, "bytes", int, where)))
        _check_shard(shards[-1], path)
    places = {
        name: _read_place(place, shards, f"{path}: files: {name}")
        for name, place in field(content, "files", dict, str(path)).items()
    }
    return ShardIndex(tuple(shards), places)


def pack_again(path: Path) -> str:
    """What to do about shards that are not as they were written; the path is that of one of them or of the index."""
    root = path.parent.parent
    return f"copy {root} again, or remove it and run seemkit data shard again"


def _check_shard(shard: Shard, index: Path) -> None:
    path = index.parent / shard.name
    if not path.is_file():
        raise InputError(f"{path}: no such shard, but {index.name} lists it; {pack_again(index)}")
    if (size := path.stat().st_size) != shard.size:
        raise InputError(f"{path}: has {size} bytes, but {index.name} says {shard.size}; {pack_again(index)}")


def _read_place(value: object, shards: list[Shard], where: str) -> Place:
    """The place that an index states, which must lie within its shard."""
    if isinstance(value, list) and len(value) == 3 and all(isinstance(number, int) for number in value):
        place = Place(*value)
        end = place.offset + place.size
        if 0 <= place.shard < len(shards) and 0 <= place.offset <= end <= shards[place.shard].size:
            return place
    raise InputError(f"{where}: is no [shard, offset, size] within a shard; run seemkit data shard again")
