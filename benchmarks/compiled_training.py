"""Compare the time of a training step with and without ``model.optimization.compile``.

    python benchmarks/compiled_training.py [--configs seem_tiny seem_focal_t] [--side 512] [--batch 2]
        [--ways published] [--repeats 5] [--device cpu]

A step is that of `training_memory.py`: it encodes and decodes a batch, all layers, 10 clicked objects in their second
round and 4 phrases an image, and runs backward. Steps as they are and compiled ones take turns; the ratio is that of
the medians. *First* is the first compiled step, which compiles.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from training_memory import WAYS, network_of, step

from seemkit.model.seem import SEEM
from seemkit.training.config import compile_parts


def seconds(call: Callable[[], object], device: str) -> float:
    """Return how long a call takes, with what it leaves the device to do."""
    start = time.perf_counter()
    call()
    if device != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def trained(network: SEEM, side: int, batch: int) -> Callable[[], object]:
    """Return a step with its backward pass."""

    def run() -> None:
        network.zero_grad(set_to_none=True)
        step(network, side, batch).backward()

    return run


def measure(config: str, side: int, batch: int, way: str, repeats: int, device: str) -> tuple[float, float, float]:
    """Return the median seconds of a step as it is and of a compiled one, and the seconds of the first of these."""
    plain, compiled = (network_of(config, way).to(device) for _ in range(2))
    compiled.load_state_dict(plain.state_dict())
    compile_parts(compiled)
    calls = [trained(network, side, batch) for network in (plain, compiled)]
    seconds(calls[0], device)
    first = seconds(calls[1], device)
    rows = [[seconds(call, device) for call in calls] for _ in range(repeats)]
    before, after = (statistics.median(column) for column in zip(*rows, strict=True))
    return before, after, first


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=["seem_tiny", "seem_focal_t"])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--ways", nargs="+", default=["published"], choices=WAYS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {options.device}")
    print("configuration    trained                side   as is s compiled s  ratio first s", flush=True)
    for config in options.configs:
        for way in options.ways:
            side = options.side
            before, after, first = measure(config, side, options.batch, way, options.repeats, options.device)
            figures = f"{before:9.3f} {after:9.3f} {after / before:6.2f} {first:7.0f}"
            print(f"{config:16s} {way:21s} {side:5d} {figures}", flush=True)


if __name__ == "__main__":
    main()
