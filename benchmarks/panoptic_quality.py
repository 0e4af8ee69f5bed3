"""Compare the time of seemkit's and torchmetrics' panoptic quality on the same maps in one run.

    python benchmarks/panoptic_quality.py [--height 480] [--width 640] [--segments 50] [--json OUT]

The maps have neither crowd nor void, which torchmetrics does not support, so both must give the same PQ; otherwise the
run fails. Each image updates both metrics in turn; the ratio is that of the median times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torchmetrics.detection import PanopticQuality as TorchmetricsQuality

from seemkit.metrics.panoptic import PanopticQuality
from seemkit.types import Panoptic, Segment, Vocabulary

CLASSES = 20


def main() -> None:
    """Measure, print and write the result, and fail if the two metrics differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--segments", type=int, default=50)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--json", type=Path, help="output file")
    given = parser.parse_args()
    ours = PanopticQuality(Vocabulary(tuple(map(str, range(CLASSES))), (True,) * CLASSES))
    theirs = TorchmetricsQuality(things=set(range(CLASSES)), stuffs={CLASSES})
    times: dict[str, list[float]] = {"seemkit": [], "torchmetrics": []}
    generator = torch.Generator().manual_seed(0)
    for _ in range(given.images):
        truth = _map(given.height, given.width, given.segments, generator)
        found = _shifted(truth, generator)
        arguments = [_panoptic(found), _panoptic(truth)], [_pairs(found), _pairs(truth)]
        times["seemkit"].append(_seconds(lambda a=arguments: ours.update(*a[0])))
        times["torchmetrics"].append(_seconds(lambda a=arguments: theirs.update(*a[1])))
    quality, expected = float(ours.compute()["pq"]), float(theirs.compute())
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {**medians, "ratio": medians["torchmetrics"] / medians["seemkit"], "pq": [quality, expected]}
    print(
        f"{given.width} x {given.height}, {given.segments} segments: seemkit {1e3 * medians['seemkit']:.1f} ms, "
        f"torchmetrics {1e3 * medians['torchmetrics']:.1f} ms an image, ratio {result['ratio']:.1f}; "
        f"PQ {quality:.6f} and {expected:.6f}"
    )
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    if abs(quality - expected) > 1e-6:
        raise SystemExit("PQ of seemkit and torchmetrics differs by more than 1e-6")


def _map(height: int, width: int, segments: int, generator: torch.Generator) -> Tensor:
    """Return segment ids from 1, int64 [H, W]; each pixel belongs to the nearest of random centers."""
    centers = torch.rand(segments, 2, generator=generator) * torch.tensor([height, width])
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack((y, x), dim=-1).view(-1, 2).float()
    return torch.cdist(pixels, centers).argmin(dim=1).view(height, width) + 1


def _shifted(ids: Tensor, generator: torch.Generator) -> Tensor:
    down, right = torch.randint(0, 12, (2,), generator=generator).tolist()
    return ids.roll((down, right), (0, 1))


def _panoptic(ids: Tensor) -> Panoptic:
    return Panoptic(ids, [Segment(i, i % CLASSES) for i in ids.unique().tolist()])


def _pairs(ids: Tensor) -> Tensor:
    """Return the map in torchmetrics' form: [1, H, W, 2], class and instance of each pixel."""
    return torch.stack((ids % CLASSES, ids), dim=-1)[None]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
