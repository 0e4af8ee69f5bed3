"""Measure how `seemkit app` serves many clients at once, and whether its memory grows.

    python benchmarks/app_clients.py [--model photos-tiny] [--clients 20] [--seconds 60]

Each client opens a drawn scene of its own and clicks in it as fast as the answers come. Every eighth click begins a new
object, and every fourth is taken back. Every ten seconds the number of answers, their median time and the memory of the
server are printed. Needs the extra ``app`` and httpx.
"""

from __future__ import annotations

import argparse
import io
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from seemkit.data.scenes.scene import make_scene

FILE = {"content-type": "application/octet-stream"}


def click(address: str, number: int, end: float, times: list[float], errors: list[str]) -> None:
    """Click in a scene until the time is over, as one client."""
    content = io.BytesIO()
    Image.fromarray(make_scene(2, "test", number, 256).image).save(content, "PNG")
    rng = np.random.default_rng(number)
    with httpx.Client(base_url=f"{address}v1/sessions", timeout=120) as server:
        session = server.post("/upload", content=content.getvalue(), headers=FILE).json()["session"]
        for clicks in range(10**9):
            if time.monotonic() > end:
                return
            x, y = rng.uniform(1, 255, 2).round(1).tolist()
            asked = {"object": f"thing {clicks // 8}", "prompts": [{"kind": "point", "word": f"{x},{y}"}]}
            start = time.monotonic()
            answers = [server.post(f"/{session}/prompts", json=asked)]
            times.append(time.monotonic() - start)
            if clicks % 4 == 3:
                answers.append(server.post(f"/{session}/undo"))
            errors += [answer.text for answer in answers if answer.status_code != 200]
            if clicks % 64 == 63:
                server.post(f"/{session}/reset", json={})


def memory_of(process: int) -> int:
    """Return the memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def main() -> None:
    """Print the answers and the memory over time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="photos-tiny")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    command = [sys.executable, "-m", "seemkit", "app", "--model", options.model, "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    times: list[float] = []
    errors: list[str] = []
    try:
        assert process.stdout is not None
        found = re.search(r"http\S+", process.stdout.readline())
        assert found is not None
        end = time.monotonic() + options.seconds
        given = [(found[0], number, end, times, errors) for number in range(options.clients)]
        clients = [threading.Thread(target=click, args=one) for one in given]
        for client in clients:
            client.start()
        seen = 0
        for second in range(10, options.seconds + 1, 10):
            time.sleep(10)
            new = times[seen:]
            seen += len(new)
            median = f"{1000 * statistics.median(new):.0f} ms" if new else "-"
            print(f"{second:4} s  {len(new)} answers, median {median}, {memory_of(process.pid)} MiB", flush=True)
        for client in clients:
            client.join()
        print(f"{len(times)} answers to {options.clients} clients, {len(errors)} errors", *errors[:3], sep="\n")
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
