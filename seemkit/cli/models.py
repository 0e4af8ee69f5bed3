"""``seemkit models``: list the models that have a name, and download, locate or remove published ones."""

from __future__ import annotations

import argparse


def add_to(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb to the command line."""
    models = verbs.add_parser(
        "models",
        help="list the models that have a name; download, locate or remove one",
        description="Without a further word: lists the shipped and the published models.",
    )
    models.set_defaults(run=_list)
    actions = models.add_subparsers(metavar="WHAT")
    for name, action, text in (
        ("download", _download, "download and convert a model, if that was not done before"),
        ("path", _path, "print the folder of a model that is shipped or in the cache"),
        ("remove", _remove, "remove a model from the cache"),
    ):
        parser = actions.add_parser(name, help=text)
        parser.add_argument("name", help="name of the model")
        parser.set_defaults(run=action)


def _list(_: argparse.Namespace) -> None:
    from seemkit.checkpoints.cache import cache_folder, folder_of
    from seemkit.checkpoints.catalog import PUBLISHED, SHIPPED, PublishedModel, ShippedModel

    rows = [("name", "size", "license", "state", "for")]
    named: list[ShippedModel | PublishedModel] = [*SHIPPED.values(), *PUBLISHED.values()]
    for model in named:
        state = "shipped" if model.name in SHIPPED else "cached" if folder_of(model.name) else "-"
        rows.append((model.name, f"{model.size / 1e6:.0f} MB", model.license, state, model.summary))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    _say(f"cache: {cache_folder()}")


def _download(options: argparse.Namespace) -> None:
    from seemkit.checkpoints.cache import obtain

    _say(obtain(options.name))


def _path(options: argparse.Namespace) -> None:
    from seemkit.checkpoints.cache import folder_of
    from seemkit.errors import InputError

    folder = folder_of(options.name)
    if folder is None:
        raise InputError(f"{options.name}: not in the cache; run seemkit models download {options.name}")
    _say(folder)


def _remove(options: argparse.Namespace) -> None:
    from seemkit.checkpoints.cache import remove
    from seemkit.checkpoints.catalog import SHIPPED
    from seemkit.errors import InputError

    if options.name in SHIPPED:
        raise InputError(f"{options.name}: ships with seemkit, so it is not in the cache")
    folder = remove(options.name)
    _say(f"removed {folder}" if folder else f"{options.name} was not in the cache")


def _say(line: object) -> None:
    print(line)  # noqa: T201
