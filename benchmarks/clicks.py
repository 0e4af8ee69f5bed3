"""Time the simulated clicks of one round of training, on pixels and on the cells of the mask features.

    python benchmarks/clicks.py [--objects 20] [--side 1024] [--device cpu]

The objects are blobs of many sizes, and the predictions the same blobs moved by some pixels, so that errors are bands,
as they are in training. Predictions are given as the network makes them, at a quarter of the size; for clicks on pixels
they are enlarged first. Both ways find one click for each object; the ratio is that of the medians of paired runs. The
last line says how much less deep a click on cells is than the deepest pixel of the error.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from seemkit.interactive.clicker import Click, next_clicks
from seemkit.ops.distance import exact_depth
from seemkit.postprocess.resize import restore
from seemkit.types import Size

STRIDE, REPEATS = 4, 5


def blobs(objects: int, side: int, cell: int) -> Tensor:
    """Return smooth random masks, bool [objects, side, side]."""
    generator = torch.Generator().manual_seed(cell)
    noise = torch.randn((1, objects, side // cell, side // cell), generator=generator)
    return F.interpolate(noise, (side, side), mode="bicubic")[0] > 0.7


def seconds(run: Callable[[], list[Click | None]], device: torch.device) -> tuple[float, list[Click | None]]:
    """Return the time of one run, and what it found."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    given = parser.parse_args()
    truth = blobs(given.objects, given.side, 128).to(given.device)
    cells = F.avg_pool2d(truth.float(), STRIDE) > 0.5  # made once for all rounds of a step
    logits = 8.0 * cells.roll((6, 10), (1, 2)) - 4
    size = Size(given.side, given.side)
    predicted = restore(logits, size, size, size, "bilinear") > 0
    earlier: list[list[Click]] = [[] for _ in truth]

    def on_pixels() -> list[Click | None]:
        return next_clicks(restore(logits, size, size, size, "bilinear") > 0, truth, None, earlier)

    def on_cells() -> list[Click | None]:
        return next_clicks(logits > 0, cells, None, earlier)

    times: dict[str, list[float]] = {"pixels": [], "cells": []}
    for _ in range(REPEATS):
        for name, run in (("pixels", on_pixels), ("cells", on_cells)):
            spent, found = seconds(run, given.device)
            times[name].append(spent)
            if name == "pixels":
                deepest = found
    lost = [
        _depth(truth[row], predicted[row], deepest[row], 1) - _depth(truth[row], predicted[row], found[row], STRIDE)
        for row in range(given.objects)
    ]
    middle = {name: statistics.median(spent) for name, spent in times.items()}
    print(f"{given.objects} objects, {given.side} x {given.side} pixels, {given.device}", flush=True)
    for name, spent in middle.items():
        print(f"clicks on {name:8s}{spent * 1e3:9.1f} ms", flush=True)
    print(f"ratio             {middle['pixels'] / middle['cells']:9.1f}", flush=True)
    print(f"less deep by      {statistics.mean(lost):9.2f} pixels in the mean, {max(lost):.2f} at most", flush=True)


def _depth(truth: Tensor, predicted: Tensor, click: Click | None, stride: int) -> float:
    assert click is not None
    error = truth & ~predicted if click.positive else predicted & ~truth
    y, x = (int((place + 0.5) * stride) for place in (click.y, click.x))
    return float(exact_depth(error.cpu().numpy())[y, x])


if __name__ == "__main__":
    main()
