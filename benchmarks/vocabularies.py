"""Compare the time of class vectors with that of reading every sentence whole, name by name.

    python benchmarks/vocabularies.py [--preset davit-d3] [--plain 16] [--dtype float32]

The names are the 133 of COCO's panoptic classes, with the background, in 81 sentences each. The weights are random; the
time does not depend on them. Printed are the seconds, the seconds of the plain way (measured on the first `--plain`
names and scaled to all), their ratio, the largest difference, and the seconds of a second vocabulary that has one new
name, with the same tower and with a new one that reads the other vectors from disk.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from seemkit.checkpoints.class_store import ClassStore
from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.checkpoints.variants import VARIANTS
from seemkit.nn.language import LanguageTower, imagenet_templates

TEMPLATES = imagenet_templates()
NAMES = COCO_PANOPTIC.names


def build(preset: str, dtype: torch.dtype) -> LanguageTower:
    """Return the text tower of a published model with random weights."""
    torch.manual_seed(0)
    return LanguageTower.of(VARIANTS[f"{preset}-v1"]).to(dtype).eval()


def plain(tower: LanguageTower, names: Sequence[str]) -> Tensor:
    """Return the vectors of names, each from its own whole sentences."""
    found = []
    for name in names:
        sentences = tower([template.format(name) for template in TEMPLATES]).sentence
        found.append((sentences / sentences.norm(dim=1, keepdim=True)).mean(dim=0))
    return torch.nn.functional.normalize(torch.stack(found), dim=1)


def seconds(begin: float) -> float:
    """Return the seconds since `begin`."""
    return time.perf_counter() - begin


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="davit-d3")
    parser.add_argument("--plain", type=int, default=16, help="names that the plain way reads")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    dtype = getattr(torch, options.dtype)
    print(f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads")
    tower = build(options.preset, dtype)
    plain(tower, NAMES[:1])  # the first call is slower

    begin = time.perf_counter()
    slow = plain(tower, NAMES[: options.plain])
    whole = seconds(begin) / options.plain * (len(NAMES) + 1)
    print(f"plain: {whole:.1f} s for {len(NAMES) + 1} names of {len(TEMPLATES)} sentences", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        store = ClassStore(Path(folder))
        begin = time.perf_counter()
        store.fill(tower, NAMES, TEMPLATES)
        ours = seconds(begin)
        fast = tower.embed_classes(NAMES, TEMPLATES)
        worst = float((fast[: options.plain] - slow).abs().max())
        print(f"seemkit: {ours:.1f} s; ratio {whole / ours:.2f}; largest difference {worst:.1e}", flush=True)

        for where, own in (("in the same process", tower), ("by a new tower", build(options.preset, dtype))):
            begin = time.perf_counter()
            store.fill(own, [*NAMES, f"a name that is new {where}"], TEMPLATES)
            print(f"a second vocabulary with one new name, {where}: {seconds(begin):.2f} s", flush=True)


if __name__ == "__main__":
    main()
