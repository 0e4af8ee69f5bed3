"""Messages of the configuration's parser, in words that say what to correct."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pydoc import locate

LONGEST = 600
_KEY = re.compile(r'^Parser key "(?P<key>[\w.]+)"')
_OPTION = re.compile(r"class_path '(?P<name>[\w.]+)': Option '(?P<option>\w+)' is not accepted")
_VALUE = re.compile(
    r"class_path '(?P<name>[\w.]+)': Parser key \"(?P<key>[\w.]+)\": Expected an? (?P<wanted>.+?)\. "
    r"Got value: (?P<value>.+?)(?: - |$)"
)
_CLASS = re.compile(r"class_path '[\w.]+': No (?P<module>[\w.]+) attribute (?P<name>\w+)")
_UNKNOWN = re.compile(r"^unrecognized arguments: (?P<option>--[\w.]+)")


def explained(message: str, options: Iterable[str] = ()) -> str:
    """Return a message of jsonargparse, in one line, without the types that it tried in vain.

    For a misspelled option, class or option of a class, the message names the one that is spelled alike.

    Args:
        message: the message, in one line.
        options: options of the command line.
    """
    place = _KEY.match(message)
    where = f"{place['key']}: " if place else ""
    if found := _UNKNOWN.match(message):
        close = _close(found["option"], options)
        return f"{found['option']}: no such option{f'; did you mean {close}?' if close else ' (seemkit fit --help)'}"
    if found := _OPTION.search(message):
        known = [key for key in inspect.signature(_class(found["name"])).parameters if key != "self"]
        hint = f"did you mean {close}?" if (close := _close(found["option"], known)) else f"it has {', '.join(known)}"
        return f"{where}{_short(found['name'])} has no option {found['option']!r}; {hint}"
    if found := _VALUE.search(message):
        wanted = re.sub(r"<class '([\w.]+)'>", r"\1", found["wanted"])
        return f"{where}{found['key']} of {_short(found['name'])} is {found['value']!r}; expected {wanted}"
    if found := _CLASS.search(message):
        close = _close(found["name"], dir(import_module(found["module"])))
        hint = f"; did you mean {close}?" if close else ""
        return f"{where}{found['module']} has no {found['name']}{hint}"
    return message[:LONGEST]


def _class(name: str) -> type:
    found = locate(name)
    assert isinstance(found, type)
    return found


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _close(word: str, known: Iterable[str]) -> str:
    """Return the known word that is spelled almost like `word`; an empty text if none is."""
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.7)), "")
