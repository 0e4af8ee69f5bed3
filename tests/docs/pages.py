"""The commands and Python blocks of the pages, in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Command(NamedTuple):
    """A command line, and the lines that the page says it prints."""

    words: tuple[str, ...]
    printed: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)


class Program(NamedTuple):
    """A Python block."""

    source: str


def steps(page: str) -> list[Command | Program]:
    """The steps of a page."""
    found: list[Command | Program] = []
    for kind, text in _BLOCK.findall((ROOT / page).read_text()):
        found += [Program(text)] if kind == "python" else _commands(text)
    return found


def _commands(text: str) -> list[Command]:
    """The commands of a console block, in which those of a block that shows output begin with ``$``."""
    lines = text.replace("\\\n", " ").splitlines()
    marked = any(line.startswith("$ ") for line in lines)
    found: list[Command] = []
    for line in lines:
        if marked and not line.startswith("$ "):
            found[-1] = Command(found[-1].words, (*found[-1].printed, line))
        else:
            found += [Command(tuple(shlex.split(part)), ()) for part in line.removeprefix("$ ").split(" && ")]
    return found
