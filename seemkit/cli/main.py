"""The ``seemkit`` command. Verbs import heavy packages only when they run, so that ``--help`` is fast."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from seemkit._version import __version__
from seemkit.cli import app, data, doctor, models, shared_arguments
from seemkit.cli.data import FOUND_PROBLEMS
from seemkit.cli.given import check_data_folder
from seemkit.cli.progress import progress_line
from seemkit.cli.threads import sleep_while_waiting
from seemkit.errors import InputError

TRAINING_VERBS = {
    "fit": "train, then test; options: seemkit fit --help",
    "validate": "evaluate on the validation split",
    "test": "evaluate on the test split and print the table of results",
    "predict": "segment a data set without prompts and write the maps",
}
BAD_INPUT = 2
INTERRUPTED = 130
"""Exit status of a shell's command that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 means success, 1 that a check found problems or images were skipped, 2 bad input (one line on standard error), and
    130 Ctrl-C.
    """
    sleep_while_waiting()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character must not end the work
    given = sys.argv[1:] if arguments is None else arguments
    debug, words = "--debug" in given, [word for word in given if word != "--debug"]
    try:
        return _run(words)
    except InputError as error:
        if debug:
            raise
        print(f"seemkit: {error}", file=sys.stderr)  # noqa: T201
        return BAD_INPUT
    except KeyboardInterrupt:
        if debug or (words and words[0] in TRAINING_VERBS):
            raise
        print("seemkit: interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED


def _run(words: Sequence[str]) -> int:
    """Run the verb of a command line and return its exit code."""
    if words and words[0] in TRAINING_VERBS:
        if words[0] == "fit":
            from seemkit.cluster import signals

            signals.forget()
            # early: importing torch takes seconds, and SLURM can send a signal meanwhile
            signals.note({signals.StopRequest.REQUEUE})
        check_data_folder(words)
        from seemkit.cli import train

        train.run(train.configs_first(words))
    elif words and words[0].startswith("--config") and (verb := next((w for w in words if w in TRAINING_VERBS), "")):
        raise InputError(f"write the verb first: seemkit {verb} {words[0]} ...")
    else:
        parser = _parser()
        options, further = parser.parse_known_args(words)
        if hasattr(options, "further"):
            options.further = further
        elif further:
            parser.error(f"unrecognized arguments: {' '.join(further)}")
        return options.run(options) or 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seemkit", description="Segment everything everywhere, with any prompts.")
    parser.add_argument("--version", action="version", version=f"seemkit {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, text in TRAINING_VERBS.items():
        verbs.add_parser(name, help=text, add_help=False)
    _add_segment(verbs)
    app.add_to(verbs)
    _add_track(verbs)
    data.add_to(verbs)
    models.add_to(verbs)
    _add_convert(verbs)
    _add_slurm(verbs)
    _add_plugins(verbs)
    doctor.add_to(verbs)
    return parser


def _add_segment(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    segment = verbs.add_parser(
        "segment",
        help="segment an image, or all images of a folder",
        description="Segments the object that the prompts describe together, or everything if no prompt is given.",
    )
    segment.add_argument("image", type=Path, help="image file, or folder of image files")
    segment.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for the results; masks, overlay.png and result.json go to one subfolder per image of a folder",
    )
    segment.add_argument(
        "--format",
        action="append",
        metavar="FORMAT",
        help="what to write: masks (with overlay.png and result.json; the default), coco-instances, coco-panoptic, "
        "labelme, yolo, label-studio or palette; can be repeated",
    )
    segment.add_argument(
        "--batch", type=int, default=1, metavar="N", help="images of a folder to encode together (default: %(default)s)"
    )
    shared_arguments.add_model(segment)
    shared_arguments.add_prompts(segment)
    segment.add_argument(
        "--all",
        action="store_true",
        help="find every object that the prompts mean: all that a text fits, or all like the one that is marked",
    )
    segment.add_argument("--classes", help="class names for labels, separated by commas")
    segment.add_argument(
        "--threshold", type=float, default=0.5, help="lowest score, without prompts or with --all (%(default)s)"
    )
    segment.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    segment.set_defaults(run=_segment)


def _add_track(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    track = verbs.add_parser(
        "track",
        help="follow objects through a video",
        description="Follows the objects that the prompts describe in one frame through the frames after it.",
    )
    track.add_argument("source", type=Path, help="folder of frames, sorted by name, or video file")
    track.add_argument(
        "--out", type=Path, required=True, help="folder for VIDEO/FRAME.png, whose pixels are object numbers"
    )
    shared_arguments.add_model(track)
    shared_arguments.add_prompts(track)
    track.add_argument("--at", type=int, default=0, metavar="N", help="frame with the prompts, from 0 (%(default)s)")
    track.add_argument("--overlay", action="store_true", help="also write VIDEO.mp4 with the masks drawn in")
    track.set_defaults(run=_track)


def _add_convert(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    convert = verbs.add_parser("convert", help="convert weights of other programs to seemkit's format")
    kinds = convert.add_subparsers(metavar="KIND", required=True)
    for kind, text in (
        ("official", "checkpoint of the official SEEM code"),
        ("xdecoder", "checkpoint of X-Decoder, to start training"),
    ):
        parser = kinds.add_parser(kind, help=text)
        parser.add_argument("checkpoint", type=Path, help="checkpoint file, for example seem_focalt_v1.pt")
        parser.add_argument("out", type=Path, help="folder to write")
        parser.add_argument("--variant", help="published model, for example focal-t-v1 (default: guessed)")
        parser.set_defaults(run=_convert, kind=kind)


def _add_slurm(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    slurm = verbs.add_parser("slurm", help="train on a SLURM cluster").add_subparsers(metavar="WHAT", required=True)
    submit = slurm.add_parser(
        "submit",
        help="check a run, write its batch script and submit it",
        description="Options that are not listed here go to seemkit fit, for example --data.root FOLDER.",
    )
    submit.add_argument("--config", action="append", required=True, metavar="FILE", help="configuration of seemkit fit")
    submit.add_argument("--nodes", type=int, default=1, help="number of nodes (default: %(default)s)")
    submit.add_argument("--devices", type=int, default=1, help="GPUs, or processes on CPUs, per node (%(default)s)")
    submit.add_argument("--time", required=True, help="time limit before requeueing, for example 24:00:00 or 2-12")
    submit.add_argument("--partition", help="partition to run in (default: the cluster's default)")
    submit.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="OPTION",
        help="further sbatch option, for example --sbatch=--account=NAME",
    )
    submit.add_argument("--dry-run", action="store_true", help="print the batch script without submitting it")
    submit.set_defaults(run=_submit, further=[])


def _add_plugins(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plugins = verbs.add_parser("plugins", help="list the installed prompt kinds, or start a new one")
    plugins.set_defaults(run=_plugins)
    kinds = plugins.add_subparsers(metavar="WHAT")
    new = kinds.add_parser("new", help="write the skeleton of a package with a prompt kind")
    new.add_argument("name", metavar="NAME", help="name of the kind, for example lasso; the package is seemkit-NAME")
    new.add_argument("--out", type=Path, default=Path(), help="parent folder of the package (default: current folder)")
    new.set_defaults(run=_new_plugin)


def _convert(options: argparse.Namespace) -> None:
    from seemkit.cli import convert as converting

    convert = converting.convert_official if options.kind == "official" else converting.convert_xdecoder
    print("converting; encoding the class names takes up to a minute on a CPU", flush=True)  # noqa: T201
    print("\n".join(convert(options.checkpoint, options.out, options.variant)))  # noqa: T201


def _segment(options: argparse.Namespace) -> int:
    from seemkit.cli import segment, segment_folder
    from seemkit.cli.model import loader
    from seemkit.formats.output import MASKS

    classes = None if options.classes is None else options.classes.split(",")
    formats = options.format or [MASKS]
    asked = segment.SegmentOptions(
        shared_arguments.words(options), options.prompts, classes, options.threshold, options.seed, formats, options.all
    )
    load = loader(options, options.all)
    left_out = 0
    if options.image.is_dir():
        with progress_line() as progress:
            lines, left_out = segment_folder.segment_folder(
                options.image, load, asked, options.out, options.batch, progress
            )
    else:
        lines = segment.segment_file(options.image, load, asked, options.out)
    print("\n".join(lines))  # noqa: T201
    return FOUND_PROBLEMS if left_out else 0


def _track(options: argparse.Namespace) -> None:
    from seemkit.cli import track
    from seemkit.cli.model import loader

    asked = track.TrackOptions(shared_arguments.words(options), options.prompts, options.at, options.overlay)
    with progress_line() as progress:
        lines = track.track_video(options.source, loader(options), asked, options.out, progress)
    print("\n".join(lines))  # noqa: T201


def _submit(options: argparse.Namespace) -> None:
    from seemkit.cli import slurm

    asked = slurm.JobOptions(
        options.config, options.further, options.nodes, options.devices, options.time, options.partition, options.sbatch
    )
    job = slurm.plan(asked)
    print(job.script if options.dry_run else slurm.submit(job), end="" if options.dry_run else "\n")  # noqa: T201


def _plugins(_: argparse.Namespace) -> None:
    from seemkit.io.table import aligned
    from seemkit.prompts.registry import installed

    rows = [("kind", "group", "package", "version")]
    rows += [(name, kind.encoder.group.name, kind.package, kind.version) for name, kind in installed().kinds.items()]
    print("\n".join(aligned(rows)))  # noqa: T201


def _new_plugin(options: argparse.Namespace) -> None:
    from seemkit.cli import new_plugin

    folder = new_plugin.write(options.name, options.out)
    print(f"{folder}: written; next: pip install -e '{folder}[tests]' && pytest {folder}")  # noqa: T201
