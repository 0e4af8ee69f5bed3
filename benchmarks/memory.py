"""Measure the peak memory of a call above the memory before it, on Linux, in a new process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

RETURN_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Environment variables with which the C library returns freed memory at once, so that it does not count."""


def peak_of(call: Callable[[], object]) -> int:
    """Return the peak memory of a call above the memory before it, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def peak_of_process(script: str, *arguments: str) -> int:
    """Run a script in a new process and return the number that it prints last."""
    command = [sys.executable, script, *arguments]
    environment = os.environ | RETURN_AT_ONCE
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(output.split()[-1])
