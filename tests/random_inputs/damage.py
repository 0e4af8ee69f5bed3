"""Random values, and damage to files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

NUMBERS = (
    0,
    -1,
    1,
    2,
    3,
    5.5,
    31.999,
    48,
    64,
    1e-9,
    -7.25,
    1e9,
    -1e9,
    1e300,
    math.nan,
    math.inf,
    -math.inf,
    2**63,
    10**30,
)
OTHERS = (
    None,
    True,
    False,
    "",
    " ",
    "star",
    "../x",
    "a\nb",
    "ä\u2028",
    "\x00",
    "\ud800",
    [],
    {},
    [[]],
    [1],
    {"kind": "x"},
)


def any_value(random: Random) -> Any:
    """A number, text, list or dictionary that is rarely what anyone expects."""
    return random.choice(NUMBERS if random.random() < 0.6 else OTHERS)


def damage(path: Path, random: Random) -> str:
    """Damage a file, in one of the ways in which files get damaged; return the way."""
    ways = [_truncate, _flip, _zero, _replace, _repeat]
    if path.suffix in (".json", ".yaml", ".txt") and random.random() < 0.8:
        ways = [_edit] if path.suffix == ".json" else [_flip, _truncate, _repeat]
    way = random.choice(ways)
    way(path, random)
    return way.__name__.lstrip("_")


def _truncate(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.choice([0, 1, 8, len(content) // 2, max(0, len(content) - 1)])])


def _flip(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(random.choice([1, 3, 30])):
        if content:
            near_start = min(len(content), random.choice([16, 128, len(content)]))
            content[random.randrange(near_start)] = random.randrange(256)
    path.write_bytes(bytes(content))


def _zero(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    start = random.randrange(len(content) + 1)
    content[start : start + 64] = bytes(min(64, len(content) - start))
    path.write_bytes(bytes(content))


def _replace(path: Path, random: Random) -> None:
    page, pointer = (
        b"<!DOCTYPE html><title>404</title>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    )
    path.write_bytes(random.choice([page, pointer, random.randbytes(300), b"\xef\xbb\xbf{}", b"null", b"[]", b"\n"]))


def _repeat(path: Path, random: Random) -> None:
    content = path.read_bytes()
    start = random.randrange(len(content) + 1)
    path.write_bytes(content[:start] + content[start // 2 :])


def _edit(path: Path, random: Random) -> None:
    """Change one value of a JSON file, or remove it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(random.choice([1, 1, 2])):
        places = _places(content)
        if not places:
            break
        owner, key = random.choice(places)
        if random.random() < 0.3:
            del owner[key]
        else:
            owner[key] = any_value(random)
    path.write_text(json.dumps(content, ensure_ascii=True), encoding="utf-8")


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Every list and dictionary inside plain data with each of its indices or keys."""
    if isinstance(content, dict):
        items = list(content.items())
    elif isinstance(content, list):
        items = list(enumerate(content))
    else:
        return []
    return [place for key, value in items for place in ((content, key), *_places(value))]
