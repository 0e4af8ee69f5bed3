"""Measure what the host does in a full-size training step beside the kernels: the time for which a GPU could wait.

    python benchmarks/host_work.py [--side 1024] [--rounds 5] [--clicks pixels cells]

A step of two images with ten clicked objects each, with the decoder as published and a small encoder, runs on one
thread of the CPU under torch's profiler. Places of clicks are searched by tensor operations, as on a GPU. Host work is
the time of the step without the operations of tensors: Python, prompts in NumPy, the assignment of queries, transfers.
Each operation also costs the host its call, on a GPU about 5 microseconds; the number of operations is printed beside.
"""

from __future__ import annotations

import argparse
import time
from unittest.mock import patch

import torch
from gpu import batch_of
from torch.profiler import ProfilerActivity, profile
from training_step import FULL_SIZE

from seemkit.interactive import clicker
from seemkit.interactive.rollout import Rollout
from seemkit.losses.weights import LossWeights
from seemkit.model.seem import SEEM
from seemkit.ops.deepest import deepest_together
from seemkit.training.config import Alignment, Sampling
from seemkit.training.objective import Objective
from seemkit.types import Batch, Vocabulary

CLASSES = 133
SEEDS = 1000


def step(objective: Objective, batch: Batch, seed: int) -> int:
    """Take a step with one seed, and return its number of rounds."""
    objective.network.zero_grad(set_to_none=True)
    shared, *generators = (torch.Generator().manual_seed(seed + image) for image in range(3))
    with patch.object(Rollout, "correct", autospec=True, side_effect=Rollout.correct) as corrected:
        terms = objective(batch, shared, generators)
    torch.stack([term.mean for term in terms.values()]).sum().backward()
    return corrected.call_count


def seed_of(objective: Objective, side: int, rounds: int) -> int:
    """Return a seed whose step has this many rounds, found with small images."""
    small = batch_of(side, CLASSES)
    return next(seed for seed in range(SEEDS) if step(objective, small, seed) == rounds)


def measure(clicks: str, side: int, rounds: int) -> None:
    """Print the figures of one way to click."""
    torch.manual_seed(0)
    names = Vocabulary(tuple(f"class {index}" for index in range(CLASSES)), (True,) * CLASSES)
    network = SEEM(FULL_SIZE, names)
    for part in (network.backbone, network.pixel_decoder, network.language):
        part.requires_grad_(False)
    sampling = Sampling(objects=10, phrases=4, rounds=rounds, clicks=clicks)
    objective = Objective(network, names, sampling, LossWeights(), Alignment(), None)
    seed, batch = seed_of(objective, 64, rounds), batch_of(side, CLASSES)
    with patch.object(clicker, "deepest_pixels", deepest_together):
        step(objective, batch, seed)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            begin = time.perf_counter()
            taken = step(objective, batch, seed)
            whole = time.perf_counter() - begin
    operations = [event for event in profiler.key_averages() if event.key.startswith("aten::")]
    kernels = sum(event.self_cpu_time_total for event in operations) / 1e6
    calls = sum(event.count for event in operations)
    print(f"{clicks}: {taken} rounds at {side} pixels: {whole:.2f} s, of which operations {kernels:.2f} s", flush=True)
    print(f"{clicks}: host work {whole - kernels:.2f} s, {calls} operations", flush=True)


def main() -> None:
    """Measure both ways to click."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clicks", nargs="+", default=["pixels", "cells"], choices=["pixels", "cells"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for clicks in options.clicks:
        measure(clicks, options.side, options.rounds)


if __name__ == "__main__":
    main()
