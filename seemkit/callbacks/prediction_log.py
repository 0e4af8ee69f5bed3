"""What ``seemkit predict`` has found so far, so that an interrupted run can continue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from seemkit.errors import InputError
from seemkit.io.atomic import write_json
from seemkit.io.json_file import read_json
from seemkit.types import Size

SETTINGS = "settings.json"


class LoggedImage(NamedTuple):
    """An image in the log.

    Attributes:
        name: its name.
        size: its size.
        found: for each segment ``label``, ``score`` (0..1) and ``segmentation``, COCO's run lengths.
    """

    name: str
    size: Size
    found: Sequence[Mapping[str, Any]]


class PredictionLog:
    """A folder with a file ``RANK.jsonl`` of each process, with a line for each image, and one with the settings.

    A line is written as soon as its image is predicted. Runs with any number of processes can follow each other: each
    reads the lines of all, and its processes append to their own files. A line that was cut off counts as missing.

    Args:
        folder: the folder, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[bytes] | None = None

    def names(self) -> frozenset[str]:
        """Return the names of the images in the log."""
        return frozenset(self._places())

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raise InputError unless the log, if there is one, is of a run with these settings.

        Raises:
            InputError: a setting differs, or the file of the settings cannot be read.
        """
        path = self.folder / SETTINGS
        if not path.exists():
            return
        earlier = read_json(path)
        differing = [name for name, value in settings.items() if earlier.get(name) != value]
        if differing:
            raise InputError(
                f"{self.folder.parent}: has predictions of a run with another setting of {', '.join(differing)}; "
                "remove this folder to predict anew, or choose another trainer.default_root_dir"
            )

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Write the settings; called by one process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / SETTINGS, settings)

    def open(self, rank: int) -> Self:
        """Open the file of a process for appending."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / f"{rank}.jsonl").open("ab")
        if self._file.tell():
            self._file.write(b"\n")  # ends a line that was cut off; empty lines are skipped
        return self

    def add(self, image: LoggedImage) -> None:
        """Append an image."""
        assert self._file is not None
        self._file.write(json.dumps(image._asdict()).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file of this process."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, LoggedImage]]:
        """Yield those of the named images that are in the log, each with its position in `names`, in their order."""
        places = self._places()
        for position, name in enumerate(names):
            if name in places:
                path, offset = places[name]
                with path.open("rb") as file:
                    file.seek(offset)
                    row = json.loads(file.readline())
                yield position, LoggedImage(row["name"], Size(*row["size"]), row["found"])

    def _places(self) -> dict[str, tuple[Path, int]]:
        """Return the file and the offset of each image's line."""
        places = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            offset = 0
            with path.open("rb") as file:
                for line in file:
                    if (name := _name(line)) is not None:
                        places[name] = (path, offset)
                    offset += len(line)
        return places


def _name(line: bytes) -> str | None:
    """Return the name in a line; None if the line is empty or was cut off."""
    try:
        name = json.loads(line)["name"]
    except (ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None
