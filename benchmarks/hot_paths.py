"""Measure where the time of the hot paths goes, and compare it with the limit by the processor's matrix products.

    python benchmarks/hot_paths.py --preset davit-d3 --size 1024 [--json OUT]

The paths are the encoder, the decode of all objects, the tenth click of an object and a training step with frozen
features. The table shows the floating-point operations by torch's counter, their seconds at the rate of a large matrix
product measured in the same run (the limit), the measured seconds, and the share of each kind of operation.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench import Bench
from timing import median_seconds
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count
from training_step import Problem, run

KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"),
    "convolutions": ("aten::mkldnn_convolution", "aten::convolution_backward"),
    "attention": (
        "aten::_scaled_dot_product_flash_attention_for_cpu",
        "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    ),
    "copies": ("aten::copy_", "aten::cat", "aten::fill_"),
}
"""Names of operations by kind; all other operations are the kind "others"."""
LARGE = (2048, 2048, 2048)
REPEATS = 3


def product_rate() -> float:
    """Return the floating-point operations per second of a large float32 matrix product."""
    rows, inner, columns = LARGE
    left, right = torch.randn(rows, inner), torch.randn(inner, columns)
    seconds = median_seconds(lambda: left @ right, 9)
    return 2 * rows * inner * columns / seconds


def operations(call: Callable[[], object]) -> int:
    """Return the number of floating-point operations of products, convolutions and attention."""

    def attention(query: list[int], key: list[int], value: list[int], *_: object, **__: object) -> int:
        return sdpa_flop_count(query, key, value)

    def backward(
        gradient: list[int], query: list[int], key: list[int], value: list[int], *_: object, **__: object
    ) -> int:
        return sdpa_backward_flop_count(gradient, query, key, value)

    own = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        call()
    return counter.get_total_flops()


def shares(call: Callable[[], object]) -> dict[str, float]:
    """Return the share of the time of each kind of operation."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        call()
    kind_of = {name: kind for kind, names in KINDS.items() for name in names}
    spent: Counter[str] = Counter()
    for event in profiler.key_averages():
        spent[kind_of.get(event.key, "others")] += event.self_cpu_time_total
    return {kind: spent[kind] / sum(spent.values()) for kind in (*KINDS, "others")}


def paths(preset: str, side: int) -> dict[str, Callable[[], object]]:
    """Return the calls to measure, by name."""
    bench, problem = Bench(preset, side), Problem.draw(side, 1)
    with torch.inference_mode():
        bench.warm("tenth click", "seemkit")
    stages = {name: bench.stages()[name]["seemkit"] for name in ("encode", "generic decode", "tenth click")}

    def without_gradient(call: Callable[[], object]) -> Callable[[], object]:
        def measured() -> object:
            with torch.no_grad():
                return call()

        return measured

    return {name: without_gradient(call) for name, call in stages.items()} | {
        "training step": lambda: run(problem, "seemkit")
    }


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--preset", default="davit-d3", help="name of a model, as for bench.Bench (default: %(default)s)"
    )
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rate = product_rate()
    print(
        f"{rate / 1e9:.0f} GFLOP/s in a product of {' x '.join(map(str, LARGE))}, {torch.get_num_threads()} threads\n"
    )
    print(f"| path | GFLOP | limit s | taken s | of the limit | {' | '.join(KINDS)} | others |")
    print("|---" * (6 + len(KINDS)) + "|")
    rows = {}
    for name, call in paths(options.preset, options.size).items():
        row: dict[str, Any] = {
            "flop": operations(call),
            "seconds": median_seconds(call, REPEATS),
            "shares": shares(call),
        }
        row["limit"] = row["flop"] / rate
        rows[name] = row
        parts = " | ".join(f"{share:.0%}" for share in row["shares"].values())
        print(
            f"| {name} | {row['flop'] / 1e9:.0f} | {row['limit']:.2f} | {row['seconds']:.2f} "
            f"| {row['limit'] / row['seconds']:.0%} | {parts} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"rate": rate, "paths": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
