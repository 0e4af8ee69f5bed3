"""``seemkit data``: make, convert, check and pack folders of images."""

from __future__ import annotations

import argparse
from pathlib import Path

from seemkit.cli.progress import progress_line

FOUND_PROBLEMS = 1
"""Exit code if a check found problems, or if images were skipped."""
FORMATS = ("labelme", "voc", "yolo")


def add_to(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb ``data`` to the command line."""
    data = verbs.add_parser("data", help="make, convert, check and pack data sets").add_subparsers(
        metavar="WHAT", required=True
    )
    scenes = data.add_parser("scenes", help="generated scenes in COCO panoptic format")
    scenes.add_argument("--out", type=Path, required=True, help="folder to write")
    scenes.add_argument("--images", type=int, default=100, help="number of training images (default: %(default)s)")
    scenes.add_argument("--val", type=int, default=0, help="number of validation images")
    scenes.add_argument("--test", type=int, default=0, help="number of test images")
    scenes.add_argument("--seed", type=int, default=0)
    scenes.add_argument("--size", type=int, default=128, help="side of an image in pixels (default: %(default)s)")
    scenes.set_defaults(run=_scenes)
    convert = data.add_parser("convert", help="convert a folder of another format to the COCO instances layout")
    convert.add_argument("format", choices=FORMATS, help="format of SOURCE: %(choices)s")
    convert.add_argument("source", type=Path, metavar="SOURCE", help="folder to read")
    convert.add_argument("out", type=Path, metavar="OUT", help="folder to write; must be absent or empty")
    convert.add_argument(
        "--val", type=float, default=0.1, help="share for validation if SOURCE has no split (default: %(default)s)"
    )
    convert.add_argument("--seed", type=int, default=0, help="seed for the share for validation (default: %(default)s)")
    convert.add_argument("--names", type=Path, metavar="FILE", help="text file with one class name per line")
    convert.set_defaults(run=_convert_data)
    check = data.add_parser("check", help="read a whole folder; report its content and its problems")
    check.add_argument("folder", type=Path, metavar="DIR", help="folder with annotations/")
    check.set_defaults(run=_check_data)
    shard = data.add_parser("shard", help="pack the images of a folder into tar files, for use instead of the folder")
    shard.add_argument("source", type=Path, metavar="SOURCE", help="folder with annotations/")
    shard.add_argument("out", type=Path, metavar="OUT", help="folder to write; must be absent or empty")
    shard.add_argument(
        "--split", action="extend", nargs="+", default=[], metavar="NAME", help="splits to pack (default: all)"
    )
    shard.add_argument("--images", type=int, default=500, metavar="N", help="images per file (default: %(default)s)")
    shard.set_defaults(run=_shard_data)


def _scenes(options: argparse.Namespace) -> None:
    from seemkit.data.scenes import write_scenes

    counts = {"train": options.images, "val": options.val, "test": options.test}
    write_scenes(options.out, {split: n for split, n in counts.items() if n}, seed=options.seed, size=options.size)
    print(f"{options.out}: {sum(counts.values())} scenes")  # noqa: T201


def _convert_data(options: argparse.Namespace) -> None:
    from seemkit.data.prepare.conversion.convert import convert

    with progress_line() as progress:
        lines = convert(options.format, options.source, options.out, options.val, options.seed, options.names, progress)
    print("\n".join(lines))  # noqa: T201


def _check_data(options: argparse.Namespace) -> int:
    from seemkit.data.prepare.check import check

    with progress_line() as progress:
        lines, problems = check(options.folder, progress)
    print("\n".join(lines))  # noqa: T201
    return FOUND_PROBLEMS if problems else 0


def _shard_data(options: argparse.Namespace) -> None:
    from seemkit.data.prepare.shard import shard

    with progress_line() as progress:
        lines = shard(options.source, options.out, options.split, options.images, progress)
    print("\n".join(lines))  # noqa: T201
