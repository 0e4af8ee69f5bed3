"""``seemkit slurm submit``: check a training job, write it as a batch script and submit it to SLURM."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import Namespace

from seemkit.cli import train
from seemkit.errors import InputError
from seemkit.io.atomic import replacing

LEAD = 300
"""Seconds between SIGUSR1 and the time limit of a job: for a batch, a checkpoint, and up to a minute of SLURM's."""

OWN = {
    "--trainer.devices": "use --devices",
    "--trainer.num_nodes": "use --nodes",
    "--ckpt_path": "a job resumes from the last checkpoint in its folder; to start from weights, use --model.weights",
}
"""Options of `seemkit fit` that a job sets itself, and what to use instead."""

UNDETECTED = ("bash", "interactive")
"""Job names for which Lightning does not detect SLURM."""

_TIME = re.compile(r"(?:(?P<days>\d+)-(?P<day_rest>\d+(?::\d+){0,2})|(?P<rest>\d+(?::\d+){0,2}))")


@dataclass(frozen=True)
class JobOptions:
    """Options of `seemkit slurm submit`.

    Attributes:
        configs: configurations of `seemkit fit`.
        further: further options of `seemkit fit`.
        nodes: number of nodes, at least 1.
        devices: number of processes per node, one for each GPU, at least 1.
        time: time limit, after which the job is requeued, in SLURM's notation.
        partition: partition to run in; None for the cluster's default.
        sbatch: further options of sbatch.
    """

    configs: Sequence[str]
    further: Sequence[str]
    nodes: int
    devices: int
    time: str
    partition: str | None = None
    sbatch: Sequence[str] = ()


@dataclass(frozen=True)
class Job:
    """A checked job, ready to submit.

    Attributes:
        folder: run folder.
        script: text of the batch script.
    """

    folder: Path
    script: str


def plan(options: JobOptions) -> Job:
    """Return the checked job for the options.

    Raises:
        InputError: the configuration is invalid, settings contradict each other or the cluster, or the run folder
            cannot be written.
    """
    seconds = _seconds(options.time)
    for name in ("nodes", "devices"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name}: is {getattr(options, name)}; use 1 or more")
    for word in options.further:
        if (option := word.partition("=")[0]) in OWN:
            raise InputError(f"{option}: {OWN[option]}")
    words = ["fit", *(word for config in options.configs for word in ("--config", config)), *options.further]
    settings = train.read([*words, "--trainer.devices", str(options.devices)])
    _check_strategy(settings, options)
    _check_partition(options.partition, seconds)
    if settings.trainer.default_root_dir is None:
        raise InputError("trainer.default_root_dir: is not set; give the job a run folder to resume from")
    folder = Path(settings.trainer.default_root_dir)
    _check_writable(folder)
    return Job(folder, _script(options, settings, folder, words[1:], seconds))


def submit(job: Job) -> str:
    """Submit a job; return two lines with its number, its log and the commands to stop it.

    Creates the run folder and writes ``job.sbatch`` into it.

    Raises:
        InputError: sbatch is not found or refuses the job, or the run folder cannot be written.
    """
    if shutil.which("sbatch") is None:
        raise InputError("sbatch: not found; run this where jobs are submitted, or add --dry-run to see the script")
    path = job.folder / "job.sbatch"
    try:
        job.folder.mkdir(parents=True, exist_ok=True)  # SLURM opens the log before the job starts
        with replacing(path) as written:
            written.write_text(job.script)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    done = subprocess.run(["sbatch", "--parsable", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"sbatch {path}: {done.stderr.strip()}")
    number = done.stdout.strip().partition(";")[0]
    return (
        f"job {number} submitted; its log is {job.folder}/slurm-{number}.log\n"
        f"to save and requeue it: scancel --signal=USR1 {number}; to cancel it: scancel {number}"
    )


def _script(options: JobOptions, settings: Namespace, folder: Path, words: Sequence[str], seconds: int) -> str:
    workers = _find(settings, "data", "init_args", "num_workers")
    cpus = workers + 1 if isinstance(workers, int) else 1
    name = folder.resolve().name
    directives = [
        f"--job-name={'seemkit-' if name in UNDETECTED else ''}{name}",
        f"--output={folder}/slurm-%j.log",
        "--open-mode=append",
        f"--nodes={options.nodes}",
        f"--ntasks-per-node={options.devices}",
        f"--cpus-per-task={cpus}",
        *([] if settings.trainer.accelerator == "cpu" else [f"--gpus-per-node={options.devices}"]),
        f"--time={options.time}",
        *([] if options.partition is None else [f"--partition={options.partition}"]),
        f"--signal=USR1@{min(LEAD, seconds // 6)}",
        "--requeue",
        *options.sbatch,
    ]
    pairs = [*_lines(words), f"--trainer.devices {options.devices}", "--ckpt_path last"]
    return "\n".join([
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in directives),
        "",
        f"# {folder} must exist before the job starts: SLURM opens --output first.",
        "# One process per device. SIGUSR1 comes before the time limit: all processes save together, and the first one",
        "# requeues the job, which then resumes from that checkpoint. -K1 ends all processes when one fails.",
        f"exec srun -K1 --cpus-per-task={cpus} seemkit fit \\",
        *(f"  {pair} \\" for pair in pairs[:-1]),
        f"  {pairs[-1]}",
        "",
    ])  # fmt: skip


def _lines(words: Sequence[str]) -> list[str]:
    """Return one line for each option with its values."""
    lines: list[str] = []
    for word in words:
        if word.startswith("--") or not lines:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return lines


def _seconds(time: str) -> int:
    """Return the seconds of a time in SLURM's notation: minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s."""
    found = _TIME.fullmatch(time)
    if found is None:
        raise InputError(f"--time: {time!r} is not a SLURM time; write hours as 24:00:00, days as 2-12:00:00")
    days = found["days"]
    parts = [int(part) for part in (found["rest"] if days is None else found["day_rest"]).split(":")]
    if days is not None:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    else:
        hours, minutes, seconds = {1: [0, *parts, 0], 2: [0, *parts], 3: parts}[len(parts)]
    total = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    if total < 60:
        raise InputError(f"--time: {time} is less than a minute, which SLURM rounds up to; write hours as 24:00:00")
    return total


def _check_strategy(settings: Namespace, options: JobOptions) -> None:
    """Raise InputError if the strategy shards weights over a number of processes other than the job's."""
    strategy, world = settings.trainer.strategy, options.nodes * options.devices
    size = _find(strategy, "init_args", "data_parallel_size")
    if isinstance(size, int) and size != world:
        raise InputError(
            f"trainer.strategy: data_parallel_size is {size} for {options.nodes} nodes of {options.devices} devices; "
            f"set data_parallel_size: {world}"
        )


def _check_partition(partition: str | None, seconds: int) -> None:
    """Raise InputError if the partition does not exist or has a shorter time limit, as far as sinfo knows."""
    if shutil.which("sinfo") is None:
        return
    done = subprocess.run(["sinfo", "-h", "-o", "%P %l"], capture_output=True, text=True, check=False)
    rows = [line.split() for line in done.stdout.splitlines()]
    if done.returncode or not rows:
        return
    limits = {name.rstrip("*"): limit for name, limit in rows}
    default = next((name.rstrip("*") for name, _ in rows if name.endswith("*")), None)
    chosen = partition or default
    if chosen is None or not set(chosen.split(",")) <= set(limits):
        wrong = "this cluster has no default" if chosen is None else f"this cluster has no {chosen!r}"
        raise InputError(f"--partition: {wrong}; choose from: {', '.join(limits)}")
    for name in chosen.split(","):
        if _TIME.fullmatch(limits[name]) and seconds > _seconds(limits[name]):
            raise InputError(f"--time: partition {name} allows {limits[name]} at most")


def _check_writable(folder: Path) -> None:
    """Raise InputError if the folder cannot be created or written, or has a space in its name."""
    if any(letter.isspace() for letter in str(folder)):
        raise InputError(f"trainer.default_root_dir: {str(folder)!r} has a space, which #SBATCH cannot read; rename it")
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"trainer.default_root_dir: {folder} cannot be written, because of {there}; choose a folder that all nodes "
            "share"
        )


def _find(settings: object, *keys: str) -> object:
    """Return a nested setting, or None if a key on the way is missing."""
    for key in keys:
        settings = settings.get(key) if isinstance(settings, (Namespace, dict)) else None
    return settings
