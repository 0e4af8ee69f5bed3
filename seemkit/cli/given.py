"""What a command line of training gives, read without the imports that training needs, which take seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from seemkit.errors import InputError
from seemkit.io.text_file import read_lines

HELP = frozenset({"-h", "--help"})
ANSWERED = HELP | {"--print_config"}
"""Options that are answered without any data."""
FOR_TESTS = ("InteractiveDataModule", "DavisDataModule")
"""Data modules that say first that they are for tests only, or know no such data set."""
DATA = "--data"
ROOT = ("--data.root", "--data.init_args.root")


def check_data_folder(words: Sequence[str]) -> None:
    """Raise InputError if the folder of the data is missing; generated scenes need none.

    A folder that a configuration gives is looked for here only if the configurations have all other options of the data
    too. Another one is checked first: it may be misspelled, or choose other data.

    Args:
        words: the command line, with the verb.
    """
    kind = str(given(words, ["--data"], ("data", "class_path")))
    other = words[0] == "predict" and given(words, [], ("data", "init_args", "predict_images"))
    is_early = _are_known(words) and not kind.endswith(FOR_TESTS) and not other
    root = given(words, ROOT, ("data", "init_args", "root") if is_early else ())
    if not isinstance(root, str) or "${" in root or Path(root).exists() or not ANSWERED.isdisjoint(words):
        return
    if not kind.endswith("ScenesDataModule"):
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
    for name, value in _settings(words):
        if name == "--config" and keys:
            found = _inside(_read(Path(value)), keys)
            configured = configured if found is None else found
        elif name in options:
            chosen = value
    return configured if chosen is None else chosen


def _settings(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of a command line with their values, and its other words with what comes after them."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, equals, inline = word.partition("=")
        yield name, inline if equals else after


def _are_known(words: Sequence[str]) -> bool:
    """Return whether the configurations of a command line have all of its options of the data."""
    contents = [_read(Path(value)) for name, value in _settings(words) if name == "--config"]
    options = [name for name, _ in _settings(words) if name.startswith(DATA)]
    return all(any(_has(content, name.removeprefix("--").split(".")) for content in contents) for name in options)


def _has(content: object, keys: Sequence[str]) -> bool:
    """Return whether a configuration has a key, which may leave out ``init_args``."""
    if not keys or not isinstance(content, dict):
        return not keys
    return _has(content.get(keys[0]), keys[1:]) if keys[0] in content else _has(content.get("init_args"), keys)


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
