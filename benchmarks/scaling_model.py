"""Estimate the time of a training step on many GPUs from a model; nothing is measured on a GPU.

    python benchmarks/scaling_model.py [--rate 60e12] [--inside 200e9] [--between 12e9]

For each full-size configuration, print weights, trained weights, size of a checkpoint, bytes that a process sends per
step, and the seconds of a step on 1 to 64 GPUs, with eight GPUs per node and two images per GPU:

    bytes(n) = 2 (n - 1) / n * 4 * trained weights              ring all-reduce of float32 gradients
    seconds(n) = 2 * operations of an image / rate + bytes(n) / bandwidth

The operations of an image are those of its encoding, which torch counts on tensors without data, and of a training step
of the decoder. The model assumes that communication does not overlap with computation, and that the bandwidth is that
of the slowest link of the ring, which is between nodes if the run has more than one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import yaml
from hot_paths import operations

from seemkit import SEEM
from seemkit.nn.architecture import Architecture

CONFIGS = Path(__file__).parents[1] / "configs"
FROZEN = ("backbone", "language", "pixel_decoder")
SIDE, IMAGES, GPUS_A_NODE = 1024, 2, 8
DECODER_STEP = 419e9
"""Operations of a training step of the decoder for a 1024-pixel image, as `hot_paths.py` counts them."""
PROCESSES = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    """Print two Markdown tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rate", type=float, default=60e12, help="operations per second of a GPU (default: %(default)g)"
    )
    parser.add_argument(
        "--inside", type=float, default=200e9, help="bytes per second inside a node (default: %(default)g)"
    )
    parser.add_argument(
        "--between", type=float, default=12e9, help="bytes per second between nodes (default: %(default)g)"
    )
    options = parser.parse_args()
    times = []
    print(
        "| configuration | weights, M | trained, M | checkpoint, MB | GFLOP to encode | MB sent per step by one of 64 |"
    )
    print("|---" * 6 + "|")
    for path in sorted(CONFIGS.glob("seem_*.yaml")):
        if path.stem == "seem_tiny":
            continue
        weights, trained, encoding = count(path)
        print(
            f"| {path.stem} | {weights / 1e6:.0f} | {trained / 1e6:.0f} | {(4 * weights + 8 * trained) / 1e6:.0f} "
            f"| {encoding / 1e9:.0f} | {sent(trained, 64) / 1e6:.0f} |",
            flush=True,
        )
        compute = IMAGES * (encoding + DECODER_STEP) / options.rate
        cells = []
        for processes in PROCESSES:
            bandwidth = options.inside if processes <= GPUS_A_NODE else options.between
            seconds = compute + sent(trained, processes) / bandwidth
            cells.append(f"{1000 * seconds:.0f} ({compute / seconds:.0%})")
        times.append(f"| {path.stem} | {' | '.join(cells)} |")
    print(f"\n| ms per step (efficiency) on | {' | '.join(map(str, PROCESSES))} |")
    print("|---" * (1 + len(PROCESSES)) + "|")
    print("\n".join(times))


def count(config: Path) -> tuple[int, int, int]:
    """Return the numbers of weights, of trained weights, and of floating-point operations to encode an image."""
    settings = yaml.safe_load(config.read_text())["model"]
    assert tuple(settings["optimization"]["frozen"]) == FROZEN
    with torch.device("meta"):
        network = SEEM(Architecture(**settings["architecture"])).eval()
        weights = sum(parameter.numel() for parameter in network.parameters())
        frozen = sum(p.numel() for part in FROZEN for p in network.get_submodule(part).parameters())
        with torch.no_grad():
            encoding = operations(lambda: network.pixel_decoder(network.backbone(torch.empty(1, 3, SIDE, SIDE))))
    return weights, weights - frozen, encoding


def sent(trained: int, processes: int) -> float:
    """Return the bytes that a process sends per step."""
    return 2 * (processes - 1) / processes * 4 * trained


if __name__ == "__main__":
    main()
