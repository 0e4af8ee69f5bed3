"""The files of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def visible(paths: Iterable[Path]) -> list[Path]:
    """Return the paths, sorted, without those whose name begins with a dot.

    Such files are hidden: macOS, for example, writes its own ``._photo.jpg`` beside ``photo.jpg`` on other disks.
    """
    return sorted(path for path in paths if not path.name.startswith("."))
