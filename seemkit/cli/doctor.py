"""``seemkit doctor``: what a bug report needs to know of an installation, and what is wrong with it."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from seemkit._version import __version__
from seemkit.cli.data import FOUND_PROBLEMS
from seemkit.cli.threads import usable_processors
from seemkit.errors import InputError

PACKAGES = (
    "torch", "torchvision", "lightning", "torchmetrics", "timm", "open-clip-torch", "jsonargparse", "numpy", "pillow",
)  # fmt: skip
LEAST_FREE = 4e9
"""Bytes of free disk space below which a published model may not fit into the cache."""

Part = Callable[[list[str]], Iterator[tuple[str, str]]]


def add_to(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb to the command line."""
    doctor = verbs.add_parser("doctor", help="print versions, devices and models, and what is wrong, for bug reports")
    doctor.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> int:
    lines, faults = examine()
    said = [f"wrong: {fault}" for fault in faults] or ["nothing wrong was found"]
    print("\n".join([*lines, *said]))  # noqa: T201
    return FOUND_PROBLEMS if faults else 0


def examine() -> tuple[list[str], list[str]]:
    """Return the lines of the report, and the faults that were found."""
    faults: list[str] = []
    rows = [row for part in (_versions, _devices, _threads, _cache, _models, _kinds) for row in part(faults)]
    width = max(len(name) for name, _ in rows)
    return [f"{name.ljust(width)}  {value}" for name, value in rows], faults


def _versions(faults: list[str]) -> Iterator[tuple[str, str]]:
    yield "seemkit", __version__
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "missing"
            faults.append(f"{package} is not installed; pip install {package}")


def _devices(faults: list[str]) -> Iterator[tuple[str, str]]:
    import torch

    from seemkit.model.precision import bfloat16_is_fast

    places = [torch.device("cpu"), *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]
    for place in places:
        name = platform.processor() or platform.machine() if place.type == "cpu" else torch.cuda.get_device_name(place)
        half = "bfloat16 in hardware" if bfloat16_is_fast(place) else "no bfloat16 in hardware"
        yield str(place), f"{name}, {half}"
    if torch.backends.mps.is_available():
        yield "mps", "available"
    if torch.version.cuda and not torch.cuda.is_available() and shutil.which("nvidia-smi"):
        faults.append("an NVIDIA driver is there, but torch finds no GPU; compare nvidia-smi with torch.version.cuda")


def _threads(faults: list[str]) -> Iterator[tuple[str, str]]:
    import torch

    free = usable_processors()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    yield "threads", f"{torch.get_num_threads()} of torch, {free} processors{load}"
    if torch.get_num_threads() > free:
        faults.append(f"torch uses more threads than there are processors; set OMP_NUM_THREADS={free}")


def _cache(faults: list[str]) -> Iterator[tuple[str, str]]:
    from seemkit.checkpoints.cache import cache_folder

    folder = cache_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    space = shutil.disk_usage(existing).free
    yield "cache", f"{folder}, {space / 1e9:.0f} GB free"
    if not os.access(existing, os.W_OK):
        faults.append(f"{existing} cannot be written, so no model can be downloaded; set SEEMKIT_CACHE")
    elif space < LEAST_FREE:
        faults.append(f"{existing} has {space / 1e9:.1f} GB free; a published model can need {LEAST_FREE / 1e9:.0f}")


def _models(faults: list[str]) -> Iterator[tuple[str, str]]:
    from seemkit.checkpoints.cache import folder_of
    from seemkit.checkpoints.catalog import PUBLISHED, SHIPPED
    from seemkit.checkpoints.find import find

    for name in (*SHIPPED, *(name for name in PUBLISHED if folder_of(name))):
        try:
            find(name)
        except InputError as error:
            yield name, "faulty"
            faults.append(str(error))
        else:
            yield name, "shipped" if name in SHIPPED else "cached"


def _kinds(faults: list[str]) -> Iterator[tuple[str, str]]:
    from seemkit.prompts.registry import installed

    try:
        kinds = installed().kinds
    except InputError as error:
        faults.append(str(error))
        yield "prompt kinds", "faulty"
        return
    packages: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        packages.setdefault(f"{kind.package} {kind.version}", []).append(name)
    for package, names in packages.items():
        yield f"prompts of {package}", ", ".join(names)
