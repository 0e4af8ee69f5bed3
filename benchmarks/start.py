"""Measure the seconds of the whole command `seemkit segment` in a new process, with and without the import of torch.

    python benchmarks/start.py [--repeats 7]

The included model segments a scene by a point, by a text and without a prompt. In each round, another process imports
torch only; the difference is seemkit's own share. The first round fills the system's file cache and does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCENES = ("--images", "1", "--val", "0", "--test", "0", "--size", "256")
BARS = {"total": 6.0, "own": 1.0}


def seconds(arguments: list[str]) -> float:
    """Return the seconds of a whole process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Print the figures and return 0 if no median is above its limit in `BARS`, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds(["-m", "seemkit", "data", "scenes", "--out", str(folder), *SCENES])
        scene = folder / "train" / "000000.png"
        segment = ["-m", "seemkit", "segment", str(scene), "--out", str(folder / "out")]
        commands = {
            "torch": ["-c", "import torch"],
            "point": [*segment, "--point", "40,76"],
            "text": [*segment, "--text", "the disc"],
            "everything": segment,
        }
        rounds = [{what: seconds(command) for what, command in commands.items()} for _ in range(repeats + 1)]
    found = {what: statistics.median(row[what] for row in rounds[1:]) for what in commands}
    own = {
        what: statistics.median(row[what] - row["torch"] for row in rounds[1:]) for what in commands if what != "torch"
    }
    print(json.dumps({"seconds": found, "own": own}, indent=2))
    return int(max(found.values()) > BARS["total"] or max(own.values()) > BARS["own"])


if __name__ == "__main__":
    sys.exit(main())
