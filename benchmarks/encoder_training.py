"""Time forward and backward pass of an encoder in training: batch norms in training, fixed, folded, and frozen stages.

    python benchmarks/encoder_training.py [--name tf_efficientnet_lite0] [--images 8] [--side 256] [--threads 2]

Every row is a median of several steps with random weights, beside its ratio to the first row of the same run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from seemkit.nn.backbones.backbone import Backbone

STEPS = 7


def encoders(name: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the encoders to compare, with their names."""
    levels = (0, 1, 2, 3, 4)
    yield "batch norms in training", Backbone(name, levels=levels).train()
    yield "batch norms fixed", Backbone(name, levels=levels).eval()
    yield "batch norms folded", Backbone(name, levels=levels, fold=True).train()
    frozen = Backbone(name, levels=levels, fold=True).train()
    stages = [
        module for part in frozen.body.children() for module in (part if hasattr(part, "__getitem__") else [part])
    ]
    for stage in stages[: len(stages) // 2]:
        stage.requires_grad_(False)
    yield "folded, first half of the stages frozen", frozen
    yield "folded, all frozen", Backbone(name, levels=levels, fold=True).requires_grad_(False)


def step(encoder: nn.Module, images: Tensor) -> tuple[float, float]:
    """Return the seconds of the forward and of the backward pass."""
    begin = time.perf_counter()
    maps: Sequence[Tensor] = encoder(images)
    middle = time.perf_counter()
    trained = [m.square().mean() for m in maps if m.requires_grad]
    if trained:
        torch.stack(trained).sum().backward()
    return middle - begin, time.perf_counter() - middle


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="tf_efficientnet_lite0", help="timm's model (default: %(default)s)")
    parser.add_argument("--images", type=int, default=8, help="images in a step (default: %(default)s)")
    parser.add_argument("--side", type=int, default=256, help="side of the images in pixels (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(options.images, 3, options.side, options.side, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    first = 0.0
    for name, encoder in encoders(options.name):
        encoder.to(memory_format=torch.channels_last)
        times = [step(encoder, images) for _ in range(STEPS)][1:]
        forward, backward = (statistics.median(part) for part in zip(*times, strict=True))
        first = first or forward + backward
        print(
            f"{name:40s} forward {forward * 1e3:5.0f} ms, backward {backward * 1e3:5.0f} ms, "
            f"{(forward + backward) / first:.2f} of the first row",
            flush=True,
        )


if __name__ == "__main__":
    main()
