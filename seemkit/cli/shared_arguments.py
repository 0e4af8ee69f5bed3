"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_model(
    parser: argparse.ArgumentParser, default: str = "photos-tiny for prompts that mark pixels, otherwise scenes-tiny"
) -> None:
    """Add the arguments that choose the model, see `seemkit.cli.model`; `default` says which is taken without one."""
    parser.add_argument(
        "--model",
        help="name that seemkit models lists, folder of weights, official .pt file, or ORGANIZATION/NAME "
        f"(default: {default})",
    )
    parser.add_argument("--variant", help="published model of an official file, for example focal-t-v1")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument(
        "--dtype",
        default="float32",
        choices=("auto", "float32", "bfloat16"),
        help="number type; auto: bfloat16 if the device multiplies it in hardware (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of the CPU (default: the processors that may be used)"
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="longer side in pixels at which larger images are encoded (default: the model's own); masks have the "
        "image's size all the same",
    )


def add_prompts(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that give prompts."""
    parser.add_argument(
        "--point", action="append", default=[], metavar="X,Y", help="click on the object; --point=-X,Y: outside it"
    )
    parser.add_argument(
        "--box", action="append", default=[], metavar="X0,Y0,X1,Y1", help="box: left, top, right, bottom"
    )
    parser.add_argument("--text", action="append", default=[], help="class name or phrase")
    parser.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="KIND=VALUE",
        help="prompt of any installed kind, for example polygon=10,20,60,20,30,70 (see seemkit plugins)",
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="JSON file with the prompts of several objects, such as a result.json",
    )


def words(options: argparse.Namespace) -> list[str]:
    """Return the prompts as words ``KIND=VALUE``."""
    return [
        *(f"point={text}" for text in options.point),
        *(f"box={text}" for text in options.box),
        *(f"text={text}" for text in options.text),
        *options.prompt,
    ]
