"""Compare time and memory of seemkit and of a plain implementation that computes like the reference (`naive.py`).

    python benchmarks/speed.py --preset davit-d3 --size 1024 --json OUT
        [--dtypes float32 bfloat16 float64] [--only STAGE ...] [--repeats 3] [--quick]

Each stage is printed when it is done, and `--json` is written anew after each. `--quick` measures each stage but the
training step once, without memory, in at most three minutes.

Both implementations use the same random weights, image, prompts and random choices. Decodes, clicks and texts use the
same encoded image; in bfloat16, each implementation uses its own. Times are paired: one call of each implementation in
turn, several times; the ratio is that of the medians. Peak memory is what a new process needs above the network and
its input.

Results are compared by the largest difference relative to the largest value; bfloat16 results by the IoU of their masks
with those of float32. The plain implementation uses float32 also when seemkit uses bfloat16. By default, bfloat16 is
measured if the processor multiplies it in hardware. With float64, both use it. Differences that come from rounding in
float32, which can flip a bit of an attention mask, do not occur in float64.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import training_step
from bench import PRESETS, Bench
from memory import peak_of, peak_of_process
from torch import Tensor

from seemkit.model.precision import bfloat16_is_fast

WAYS = ("seemkit", "naive")
TRAINING = "training step"
STAGES = (
    "encode",
    "to the first click",
    "generic decode",
    "first click",
    "tenth click",
    "text",
    "whole image",
    TRAINING,
)
"""Stages that are timed. "To the first click" is encoding with the keys and values of all decoder layers, which a
session computes at its start. "Whole image" is a panoptic map, instances and a semantic map of decoded objects.
"""
BARS = {
    "encode": {"bfloat16": 3.5},
    "generic decode": {"float32": 5.0, "bfloat16": 5.0},
    "first click": {"float32": 12.0, "bfloat16": 20.0},
    "tenth click": {"float32": 12.0, "bfloat16": 20.0},
    "training step": {"float32": 2.5},
}
"""Minimum ratio of the plain implementation's time to seemkit's, by stage and dtype."""
MEMORY_BARS = {"first click": 0.25, "tenth click": 0.25, "generic decode": 0.5}
"""Maximum ratio of seemkit's memory to the plain implementation's, by stage."""
TOLERANCE, LEAST_IOU = 1e-4, 0.99
ROUNDS = 2
"""Number of rounds before a training step; training draws 0 to 5."""


@torch.inference_mode()
def time_stage(stage: dict[str, Callable[[], Tensor]], repeats: int, ways: Sequence[str]) -> dict[str, object]:
    """Return the median seconds of each implementation and the differences of the results."""
    results = {way: stage[way]() for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way in ways:
            gc.collect()
            start = time.perf_counter()
            stage[way]()
            seconds[way].append(time.perf_counter() - start)
    return {"seconds": {way: statistics.median(found) for way, found in seconds.items()}} | compare(*results.values())


def compare(ours: Tensor, other: Tensor) -> dict[str, object]:
    """Return the largest difference relative to the largest value and the IoU of masks, or the share of equal ids."""
    if not ours.is_floating_point():
        return {"equal_ids": (ours == other).double().mean().item()}
    ours, other = ours.double().reshape(other.shape), other.double()
    both, either = ((ours > 0) & (other > 0)).sum(), ((ours > 0) | (other > 0)).sum()
    difference = (ours - other).abs().max() / other.abs().max()
    return {"difference": difference.item(), "iou": (both / either.clamp(min=1)).item()}


def training(side: int, repeats: int) -> dict[str, object]:
    """Return the figures of a training step of one image with frozen features, after two rounds of clicks.

    See `training_step.py`.
    """
    found = training_step.measure(side, 1, repeats, ROUNDS)
    return {"seconds": found["seconds"], "peak_mib": found["peak_mib"], "difference": found["loss_difference"]}


Rows = dict[str, dict[str, Any]]
"""Figures by stage."""


def measure(preset: str, side: int, dtype: torch.dtype, options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Yield each stage and its figures in one dtype."""
    name = str(dtype).removeprefix("torch.")
    bench = Bench(preset, side, dtype)
    for stage in options.only:
        if stage == TRAINING:
            if dtype != torch.float32 or options.quick:
                continue
            row = training(side, options.repeats)
        else:
            with torch.inference_mode():
                bench.warm(stage)
            row = time_stage(bench.stages()[stage], options.repeats, WAYS)
            if not options.quick:
                arguments = ["--preset", preset, "--size", str(side), "--dtypes", name, "--peak-of", stage]
                peaks = {way: round(peak_of_process(__file__, *arguments, "--way", way) / 2**20) for way in WAYS}
                row["peak_mib"] = peaks
        row.update(ratios(row))
        row["bars_held"] = holds(stage, name, row)
        yield stage, row


def ratios(row: dict[str, Any]) -> dict[str, float]:
    """Return how many times as fast seemkit is, and its share of the plain implementation's memory, if measured."""
    seconds, peak = row["seconds"], row.get("peak_mib")
    found = {"speedup": seconds["naive"] / seconds["seemkit"]}
    return found if peak is None else found | {"memory": peak["seemkit"] / max(peak["naive"], 1)}


def holds(stage: str, dtype: str, row: dict[str, Any]) -> bool:
    """Return whether a row keeps its limits and its results agree."""
    memory = MEMORY_BARS.get(stage, float("inf"))
    fast = row["speedup"] >= BARS.get(stage, {}).get(dtype, 0) and row.get("memory", 0) <= memory
    if "equal_ids" in row:
        return fast and row["equal_ids"] > 1 - TOLERANCE
    return fast and (row["iou"] >= LEAST_IOU if dtype == "bfloat16" else row["difference"] <= TOLERANCE)


HEAD = """| stage | type | seemkit ms | naive ms | times as fast | memory MiB | naive MiB | results |
|---|---|---|---|---|---|---|---|"""


def line(stage: str, dtype: str, row: dict[str, Any]) -> str:
    """Return a row of the Markdown table."""
    seconds, peak = row["seconds"], row.get("peak_mib", dict.fromkeys(WAYS, "-"))
    if "equal_ids" in row:
        result = f"{row['equal_ids']:.4%} of pixels equal"
    elif "iou" in row:
        result = f"differ by {row['difference']:.1e}, IoU {row['iou']:.4f}"
    else:
        result = f"differ by {row['difference']:.1e}"
    return (
        f"| {stage} | {dtype} | {1000 * seconds['seemkit']:.0f} | {1000 * seconds['naive']:.0f} "
        f"| {row['speedup']:.1f} | {peak['seemkit']} | {peak['naive']} | {result} |"
    )


def parse() -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="davit-d3", choices=PRESETS, help="published model without its version")
    parser.add_argument("--size", type=int, default=1024)
    usual = ["float32", "bfloat16"] if bfloat16_is_fast(torch.device("cpu")) else ["float32"]
    parser.add_argument("--dtypes", nargs="+", default=usual, choices=["float32", "bfloat16", "float64"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=STAGES, choices=STAGES, metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--quick", action="store_true", help="every stage but training once, without memory")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.repeats = 1
    return options


def main() -> int:
    """Print the table and return 0 if every row keeps its limits and the results agree, else 1."""
    options = parse()
    if options.peak_of:
        bench = Bench(options.preset, options.size, getattr(torch, options.dtypes[0]))
        with torch.inference_mode():
            bench.warm(options.peak_of, options.way)
            print(peak_of(bench.stages()[options.peak_of][options.way]))
        return 0
    found: dict[str, Rows] = {}
    head = {"preset": options.preset, "size": options.size, "threads": torch.get_num_threads()}
    print(HEAD, flush=True)
    for name in options.dtypes:
        for stage, row in measure(options.preset, options.size, getattr(torch, name), options):
            found.setdefault(name, {})[stage] = row
            print(line(stage, name, row), flush=True)
            if options.json:
                content = {**head, "torch": torch.__version__, "stages": found}
                options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0 if all(row["bars_held"] for rows in found.values() for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
