"""Measure the memory of a training step of a configuration on the CPU, in float32, on Linux.

    python benchmarks/training_memory.py [--configs seem_davit seem_focal_t] [--sides 512 1024] [--batch 2]

Each entry is measured in a process of its own. The network encodes and decodes a batch as a step does: all layers, 10
clicked objects in their second round and 4 phrases an image. *Kept* is what autograd keeps for the backward pass, each
storage once. *Peak* is the most memory above the weights during this and the backward pass, gradients included. Then

    memory of a step = 4 bytes x all weights + 8 bytes x trained weights (the averages of AdamW) + peak

The losses (some 100 MB by their sizes, at 1024 pixels and two images) come on top. Parts are trained as the
configuration says (`published`), the pixel decoder too, or all of them (`all`), with and without activation
checkpointing of what is trained (`recompute`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
import yaml
from memory import RETURN_AT_ONCE, peak_of
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.prompts.values import Point, Prompt, Text
from seemkit.training.config import Optimization, compute_again, freeze

CONFIGS = Path(__file__).parents[1] / "configs"
OBJECTS, PHRASES = 10, 4
PIXEL_DECODER = "pixel decoder too"
WAYS = ("published", "published, recompute", PIXEL_DECODER, "all", "all, recompute")


def network_of(name: str, way: str) -> SEEM:
    """Return the network of a configuration, ready to train in this way."""
    model: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["model"]
    architecture = replace(Architecture.from_dict(model["architecture"]), backbone_weights=None, image_side=None)
    frozen = tuple(model["optimization"]["frozen"]) if not way.startswith("all") else ()
    if way == PIXEL_DECODER:
        frozen = tuple(part for part in frozen if part != "pixel_decoder")
    plan = Optimization(frozen=frozen, recompute=("backbone", "decoder") if way.endswith("recompute") else ())
    network = SEEM(architecture).train()
    freeze(network, plan)
    compute_again(network, plan)
    return network


def step(network: SEEM, side: int, batch: int) -> Tensor:
    """Return a number that depends on all predictions of a step."""
    context = network.encode_image([torch.zeros((3, side, side)) for _ in range(batch)])
    texts: list[list[Prompt]] = [[Text(f"thing {i}")] for i in range(PHRASES)]
    apart = min(20, side // (OBJECTS + 2))
    points: list[list[Prompt]] = [[Point(9 + apart * i, 9), Point(9 + apart * i, 40, False)] for i in range(OBJECTS)]
    prompts = [[network.prepare(given, context.frames[0]) for given in (*texts, *points)]] * batch
    previous = torch.zeros((batch, OBJECTS, *context.mask_features.shape[-2:]))
    decoded = network.decode(context, prompts, objects=True, previous=previous, every_layer=True)
    predictions = [part for layer in decoded.layers for group in layer.values() for part in group]
    return torch.stack([part.square().mean() for part in predictions]).sum()


def measure(name: str, side: int, batch: int, way: str) -> None:
    """Print the row of one entry."""
    network = network_of(name, way)
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def whole() -> None:
        with saved_tensors_hooks(note, lambda tensor: tensor):
            loss = step(network, side, batch)
        held.append(sum(kept.values()))
        loss.backward()

    held: list[int] = []
    peak = peak_of(whole)
    count = sum(p.numel() for p in network.parameters())
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    sizes = (4 * count, 4 * trained, held[0], peak, 4 * count + 8 * trained + peak)
    row = " ".join(f"{size / 1e9:9.2f}" for size in sizes)
    print(f"{name:16s} {side:5d} {batch:6d}  {way:21s} {row}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=["seem_davit", "seem_focal_t"])
    parser.add_argument("--sides", nargs="+", type=int, default=[512, 1024])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--entry", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    entries = list(product(given.configs, given.sides, given.ways))
    if given.entry:
        (name, side, way), *_ = entries
        measure(name, side, given.batch, way)
        return
    print("configuration     side  batch  trained                 weights gradients      kept      peak  step, GB")
    for name, side, way in entries:
        words = ["--configs", name, "--sides", str(side), "--ways", way, "--batch", str(given.batch), "--entry"]
        subprocess.run([sys.executable, __file__, *words], env=os.environ | RETURN_AT_ONCE, check=True)


if __name__ == "__main__":
    main()
