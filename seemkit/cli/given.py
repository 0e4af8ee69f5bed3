"""What a command line of training gives, read without the imports that training needs, which take seconds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from seemkit.errors import InputError
from seemkit.io.text_file import read_lines

HELP = frozenset({"-h", "--help"})
ANSWERED = HELP | {"--print_config"}
"""Options that are answered without any data."""
ROOT = ("--data.root", "--data.init_args.root")


def check_data_folder(words: Sequence[str]) -> None:
    """Raise InputError if the folder of the data is missing; generated scenes need none.

    A folder that a configuration gives is looked for here only if there are no further options. Otherwise these are
    checked first: one of them may be misspelled, or choose other data.

    Args:
        words: the command line, with the verb.
    """
    is_plain = all(name == "--config" for name in _options(words))
    root = given(words, ROOT, ("data", "init_args", "root") if is_plain else ())
    if not isinstance(root, str) or "${" in root or Path(root).exists() or not ANSWERED.isdisjoint(words):
        return
    if not str(given(words, ["--data"], ("data", "class_path"))).endswith("ScenesDataModule"):
        raise InputError(f"{root}: no such folder; set data.root")


def given(words: Sequence[str], options: Collection[str], keys: Sequence[str]) -> object:
    """Return the value of a setting, from the last of the options, else the last configuration; None without any.

    Args:
        words: words of a command line.
        options: names of the option.
        keys: keys that lead to the value in a configuration.

    Raises:
        InputError: a configuration is missing, or is no text in YAML with keys.
    """
    configured: object = None
    chosen: object = None
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, equals, inline = word.partition("=")
        value = inline if equals else after
        if name == "--config" and keys:
            found = _inside(_read(Path(value)), keys)
            configured = configured if found is None else found
        elif name in options:
            chosen = value
    return configured if chosen is None else chosen


def _options(words: Sequence[str]) -> list[str]:
    """Return the names of the options of a command line."""
    return [word.partition("=")[0] for word in words if word.startswith("-")]


def _read(path: Path) -> dict[str, object]:
    import yaml

    try:
        content = yaml.safe_load("\n".join(read_lines(path)))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a configuration with keys such as trainer, model and data")
    return content


def _inside(content: object, keys: Sequence[str]) -> object:
    """Return the value at a path of keys; None if there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content
