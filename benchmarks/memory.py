"""What a call needs at most above what is there before it, read from Linux in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

RETURN_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Makes the C library give freed memory back at once, so that what is freed is not counted."""


def peak_of(call: Callable[[], object]) -> int:
    """Bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def peak_of_process(script: str, *arguments: str) -> int:
    """The number that a script prints last, run in a process of its own."""
    command = [sys.executable, script, *arguments]
    environment = os.environ | RETURN_AT_ONCE
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(output.split()[-1])
