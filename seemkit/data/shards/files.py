"""The files of a split, in a folder or in shards, under the same names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seemkit.data.shards.index import PANOPTIC, Place, ShardIndex, index_path, member_name, read_index
from seemkit.data.shards.reader import ShardReader
from seemkit.io.image import SUFFIXES
from seemkit.io.storage import StoredFile, StoredFolder


@dataclass(frozen=True)
class ShardFolder:
    """The files of one folder, packed into the shards of a split.

    Attributes:
        path: the folder of the shards.
        index: the index of the shards.
        reader: the reader of the shards.
        kind: kind of the members; see `member_name`.
    """

    path: Path
    index: ShardIndex
    reader: ShardReader
    kind: str = ""

    def __truediv__(self, name: str, /) -> StoredFile:
        return _Member(self, name)

    def shard_of(self, name: str) -> int:
        """Return the number of the shard that holds a file."""
        return self.index.places[member_name(name, self.kind)].shard


@dataclass(frozen=True)
class _Member:
    """A file in a shard."""

    folder: ShardFolder
    file_name: str

    @property
    def name(self) -> str:
        return member_name(self.file_name, self.folder.kind)

    def is_file(self) -> bool:
        return self.name in self.folder.index.places

    def read_bytes(self) -> bytes:
        return self.folder.reader.read(self._shard, self._place)

    def __str__(self) -> str:
        """Return shard and member, for example ``coco/shards/train-000003.tar:000017.png``."""
        return f"{self._shard if self.is_file() else self.folder.path}:{self.name}"

    @property
    def _shard(self) -> Path:
        return self.folder.path / self.folder.index.shards[self._place.shard].name

    @property
    def _place(self) -> Place:
        return self.folder.index.places[self.name]


def open_split(root: Path, split: str) -> tuple[StoredFolder, StoredFolder]:
    """Return the images and the panoptic PNGs of a split: from shards if the split has an index, else from folders.

    The folders need not exist. Without a folder of the split, its images can be in `root` itself.

    Raises:
        InputError: the index or a shard is damaged.
    """
    path = index_path(root, split)
    if not path.is_file():
        own = root / split
        flat = not own.is_dir() and any(path.suffix.lower() in SUFFIXES for path in root.glob("*.*"))
        return root if flat else own, root / "annotations" / f"panoptic_{split}"
    index, reader = read_index(path), ShardReader()
    return ShardFolder(path.parent, index, reader), ShardFolder(path.parent, index, reader, PANOPTIC)
