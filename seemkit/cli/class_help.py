"""Help for the classes of a configuration, whose options Lightning's own help leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from seemkit.cli.given import HELP, given

MODULES = ("seemkit.data", "seemkit.callbacks")
"""Modules whose public classes are known by their short names."""


def with_full_names(words: Sequence[str]) -> list[str]:
    """Return the words of a command line, in which a class after an option ``….help`` has its full name.

    So ``--data.help CocoDataModule`` is understood.
    """
    known = {name: f"{module}.{name}" for module in MODULES for name in import_module(module).__all__}
    found: list[str] = []
    for word in words:
        option, equals, name = word.partition("=")
        if equals and option.endswith(".help"):
            found.append(f"{option}={known.get(name, name)}")
        else:
            found.append(known.get(word, word) if found and found[-1].endswith(".help") else word)
    return found


def commands(words: Sequence[str]) -> list[list[str]]:
    """Return the command lines whose help answers a command line that asks for help.

    The second one is for the class of the data, if a configuration or an option names one.
    """
    named = given([word for word in words if word not in HELP], ["--data"], ("data", "class_path"))
    return [[*words[:1], "--help"], *([] if named is None else [[*words[:1], f"--data.help={named}"]])]


def hint() -> str:
    """Return a line that says how to get help for classes."""
    names = [name for name in import_module("seemkit.data").__all__ if name.endswith("Module")]
    return f"options of the data: --data.help NAME with {', '.join(names)}, or give --config FILE with --help"
