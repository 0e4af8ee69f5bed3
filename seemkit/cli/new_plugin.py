"""Skeleton of a package with a prompt kind."""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template

from seemkit.errors import InputError
from seemkit.prompts.hooks import API
from seemkit.prompts.registry import TORCH_NAMES, installed

BUILT_IN = "prompts"
"""Name that no kind can have: the built-in kinds are in the package ``seemkit_prompts``."""


def write(kind: str, parent: Path) -> Path:
    """Write the folder ``seemkit-KIND`` into `parent` and return its path.

    The folder is a complete package, whose kind works and passes its tests.

    Args:
        kind: name of the kind.
        parent: parent folder; created if it does not exist.

    Raises:
        InputError: the name is invalid or taken, the folder exists, or it cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind):
        raise InputError(f"plugins new {kind!r}: expected lower-case letters and digits, for example lasso or ink-blot")
    if kind in installed().kinds:
        raise InputError(
            f"plugins new {kind!r}: package {installed()[kind].package!r} already has this kind; choose another"
        )
    folder = parent / f"seemkit-{kind}"
    if folder.exists():
        raise InputError(f"{folder}: exists already; remove it or choose another name")
    module = f"seemkit_{kind.replace('-', '_')}"
    name = "".join(part.capitalize() for part in kind.split("-"))
    if keyword.iskeyword(kind) or kind in TORCH_NAMES | {BUILT_IN} or name in _words():
        raise InputError(f"plugins new {kind!r}: this word means something else in the package; choose another")
    values = {"kind": kind, "package": folder.name, "module": module, "name": name, "api": str(API)}
    places = {
        "pyproject.toml.txt": "pyproject.toml",
        "README.md.txt": "README.md",
        "module.py.txt": f"{module}.py",
        "test.py.txt": f"tests/test_{module.removeprefix('seemkit_')}.py",
    }
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=".plugin-") as made:
            for template, place in places.items():
                text = (files("seemkit") / "cli" / "templates" / "plugin" / template).read_text(encoding="utf-8")
                target = Path(made) / folder.name / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(Template(text).substitute(values), encoding="utf-8")
            shutil.move(Path(made) / folder.name, folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror or error}") from error
    return folder


def _words() -> set[str]:
    """Return all names in the code of the skeleton."""
    text = (files("seemkit") / "cli" / "templates" / "plugin" / "module.py.txt").read_text(encoding="utf-8")
    return set(re.findall(r"\w+", text))
