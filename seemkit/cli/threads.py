"""How many threads torch uses."""

from __future__ import annotations

import math
import os
from pathlib import Path

from seemkit.errors import InputError

CGROUPS = Path("/sys/fs/cgroup")
SPINS = "10000"
"""Rounds for which a thread of GNU's OpenMP, which torch uses on Linux, waits actively; its default is 300,000."""


def sleep_while_waiting() -> None:
    """Let the threads of torch sleep soon while they wait for one another; call it before torch is imported.

    By default they wait actively for long. On a machine that others use too, the processor is then busy with waiting
    while the thread that is waited for has none. Threads that sleep at once need longer to begin, which many small
    operations notice. Variables of OpenMP that are set already are left alone.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS


def usable_processors(cgroups: Path = CGROUPS) -> int:
    """Return the number of processors that this process may use at a time, at least 1.

    A container can have a share of the processors that it sees. torch starts a thread for each of them, and threads
    that wait for their share make everything many times slower.

    Args:
        cgroups: folder in which Linux gives the share of a container.
    """
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(seen, _share(cgroups))))


def set_threads(asked: int | None) -> None:
    """Let torch use as many threads as asked for, or not more than there are usable processors.

    The environment variable OMP_NUM_THREADS also counts as asking.

    Raises:
        InputError: the number is not at least 1.
    """
    import torch

    if asked is not None and asked < 1:
        raise InputError(f"--threads {asked}: use at least 1")
    if asked is not None:
        torch.set_num_threads(asked)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), usable_processors()))


def _share(cgroups: Path) -> float:
    """Return the processors' time per time that version 2 or 1 of control groups grants; infinity without a limit."""
    try:
        quota, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((cgroups / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return math.inf
    return int(quota) / int(period) if quota.strip() not in ("max", "-1") else math.inf
