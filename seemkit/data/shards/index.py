"""The index of the shards of a split: the tar file of each member, and its position in the tar file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json

FOLDER: Final = "shards"
PANOPTIC: Final = "panoptic"
"""Kind of the members that are panoptic PNGs."""


class Shard(NamedTuple):
    """A tar file: its name and size in bytes."""

    name: str
    size: int


class Place(NamedTuple):
    """Position of the content of a member.

    Attributes:
        shard: number of the tar file in the index.
        offset: offset of the content in the tar file, in bytes.
        size: size of the content in bytes.
    """

    shard: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """The shards of one split.

    Attributes:
        shards: the tar files, in order.
        places: the place of each member, by member name.
    """

    shards: tuple[Shard, ...]
    places: dict[str, Place]

    def write(self, path: Path) -> None:
        """Write the index as JSON."""
        shards = [{"name": shard.name, "bytes": shard.size} for shard in self.shards]
        content = {"shards": shards, "files": self.places}
        path.write_text(json.dumps(content), encoding="utf-8")


def index_path(root: Path, split: str) -> Path:
    """Return the path of the index of a split."""
    return root / FOLDER / f"{split}.json"


def member_name(file_name: str, kind: str = "") -> str:
    """Return the name of a file in its shard: unchanged, or with the kind inserted as in ``000017.panoptic.png``.

    Up to the first dot, the name is that of the image. WebDataset groups members by this part.
    """
    if not kind:
        return file_name
    stem, dot, suffix = file_name.rpartition(".")
    return f"{stem}.{kind}.{suffix}" if dot else f"{file_name}.{kind}"


def read_index(path: Path) -> ShardIndex:
    """Return the index in a file after checking that all its shards exist and have the listed size.

    This check finds shards that a full disk or an interrupted copy has cut short, before training starts.

    Raises:
        InputError: the file is faulty, or a shard is missing or has another size.
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
    """Return the remedy for damaged shards; `path` is the path of a shard or of the index."""
    root = path.parent.parent
    return f"copy {root} again, or remove it and run seemkit data shard again"


def _check_shard(shard: Shard, index: Path) -> None:
    path = index.parent / shard.name
    if not path.is_file():
        raise InputError(f"{path}: no such shard, but {index.name} lists it; {pack_again(index)}")
    if (size := path.stat().st_size) != shard.size:
        raise InputError(f"{path}: has {size} bytes, but {index.name} says {shard.size}; {pack_again(index)}")


def _read_place(value: object, shards: list[Shard], where: str) -> Place:
    """Return the place in `value`; raise InputError unless it is within its shard."""
    if isinstance(value, list) and len(value) == 3 and all(isinstance(number, int) for number in value):
        place = Place(*value)
        end = place.offset + place.size
        if 0 <= place.shard < len(shards) and 0 <= place.offset <= end <= shards[place.shard].size:
            return place
    raise InputError(f"{where}: is not a [shard, offset, size] within a shard; run seemkit data shard again")
