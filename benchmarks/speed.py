"""Compare time and memory of seemkit and of a plain implementation that computes like the reference (`naive.py`).

    python benchmarks/speed.py --preset davit-d3 --size 1024 --json OUT
        [--dtypes float32 bfloat16 float64] [--only STAGE ...] [--repeats 3]

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import naive
import torch
import training_step
from memory import peak_of, peak_of_process
from torch import Tensor

from seemkit.checkpoints.variants import VARIANTS
from seemkit.inference.session import Session
from seemkit.model.outputs import Draws
from seemkit.model.precision import bfloat16_is_fast
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.postprocess.panoptic import panoptic_map
from seemkit.prompts.values import Point, Prompt, Text
from seemkit.types import Size, Vocabulary

PRESETS = sorted(
    name.removesuffix("-v1")
    for name, architecture in VARIANTS.items()
    if name.endswith("-v1") and architecture.pixel_decoder == "fpn"
)
"""The published models with the pixel decoder that `naive` implements."""
CLASSES, CLICKS, SEGMENTS, SCORE = 133, 10, 20, 0.5
WAYS = ("seemkit", "naive")
TRAINING = "training step"
STAGES = ("encode", "generic decode", "first click", "tenth click", "text", "panoptic map", TRAINING)
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


@dataclass
class Bench:
    """A network, an image and prompts, and the calls of each stage for both implementations.

    Args:
        preset: name of a published model without its version, which gets random weights; or a model for
            `SEEM.from_pretrained`, which the plain implementation cannot compute.
        side: side of the square image, in pixels.
        dtype: dtype of seemkit's weights. The plain implementation uses float64 for float64, otherwise float32.
    """

    preset: str
    side: int
    dtype: torch.dtype = torch.float32

    @cached_property
    def plain(self) -> SEEM:
        """The network in full precision: float64 if `dtype` is float64, else float32."""
        if self.preset not in PRESETS:
            return SEEM.from_pretrained(self.preset, image_side=self.side)
        torch.manual_seed(0)
        names = Vocabulary(tuple(f"class {index}" for index in range(CLASSES)), (True,) * CLASSES)
        network = SEEM(replace(VARIANTS[f"{self.preset}-v1"], templates=("{}",)), names).eval()
        return network.to(torch.promote_types(self.dtype, torch.float32))

    @cached_property
    def network(self) -> SEEM:
        """The network in the dtype that seemkit uses."""
        return Bench(self.preset, self.side).plain.to(self.dtype) if self.dtype == torch.bfloat16 else self.plain

    @cached_property
    def image(self) -> Tensor:
        """Image of noise at several scales."""
        generator = torch.Generator().manual_seed(1)
        grains = [torch.rand((1, 3, side, side), generator=generator) for side in (4, 16, 64, self.side)]
        size = (self.side, self.side)
        layers = [torch.nn.functional.interpolate(grain, size=size, mode="bilinear") for grain in grains]
        return torch.stack(layers).mean(dim=0)[0].mul(255)

    @cached_property
    def clicks(self) -> list[Point]:
        """Ten clicks, every third of them negative."""
        places = torch.rand((CLICKS, 2), generator=torch.Generator().manual_seed(2)) * (self.side - 1)
        return [Point(float(x), float(y), positive=index % 3 != 2) for index, (x, y) in enumerate(places.tolist())]

    @cached_property
    def session(self) -> Session:
        """Session with the encoded image and nine rounds of clicks of the object "ten"."""
        session = Session(self.network, self.image.byte())
        for click in self.clicks[:-1]:
            session.add(click, name="ten").predict(name="ten")
        session.panoptic()  # computes the class vectors
        return session

    @cached_property
    def bare(self) -> ImageContext:
        """The encoded image for the plain implementation, so that a stage shows its own differences only."""
        return naive.reread(self.plain.encode_image([self.image.byte()]))

    @cached_property
    def previous(self) -> Tensor:
        """Mask logits of the object "ten" after its ninth click."""
        played = self.session._history["ten"].played
        assert played is not None
        return played.masks[0, 0].to(self.plain.dtype)

    @cached_property
    def classes(self) -> Tensor:
        """Class vectors of the network in full precision; they do not affect the masks, which are compared."""
        assert self.plain.vocabulary is not None
        return self.plain.embed_vocabulary(self.plain.vocabulary)

    @cached_property
    def draws(self) -> Draws:
        """Random choices of the session."""
        return Draws(queries=self.plain.queries.draw(1, 0))

    @cached_property
    def generic(self) -> tuple[Tensor, Tensor]:
        """Class probabilities and mask logits with `SEGMENTS` confident queries."""
        generator = torch.Generator().manual_seed(3)
        logits = torch.randn((101, CLASSES + 1), generator=generator)
        logits[:, -1] += 8
        logits[torch.arange(SEGMENTS) * 5, torch.arange(SEGMENTS) * 6] += 20
        coarse = torch.randn((1, 101, 8, 8), generator=generator)
        masks = torch.nn.functional.interpolate(coarse, size=(self.side // 4,) * 2, mode="bicubic")[0] * 6 - 4
        return logits.softmax(dim=1), masks

    def stages(self) -> dict[str, dict[str, Callable[[], Tensor]]]:
        """Return the calls by stage and implementation; a call returns the tensor to compare."""
        size = Size(self.side, self.side)
        return {
            "encode": {
                "seemkit": lambda: self.network.encode_image([self.image.byte()]).mask_features,
                "naive": lambda: naive.encode(self.plain, self.image.byte().to(self.plain.dtype)).mask_features,
            },
            "generic decode": {
                "seemkit": self._objects,
                "naive": lambda: naive.objects(self.plain, self.bare, self.classes)[1],
            },
            "first click": {
                "seemkit": lambda: self.session.predict(self.clicks[0]).logits,
                "naive": lambda: self._naive_prompts(self.clicks[:1], None),
            },
            "tenth click": {
                "seemkit": self._tenth,
                "naive": lambda: self._naive_prompts(self.clicks, self.previous),
            },
            "text": {
                "seemkit": lambda: self.session.predict(Text("a red thing beside a blue one")).logits,
                "naive": lambda: self._naive_prompts([Text("a red thing beside a blue one")], None),
            },
            "panoptic map": {
                "seemkit": lambda: (
                    panoptic_map(*self.generic, (True,) * CLASSES, SCORE, enlarge=partial(naive.enlarge, size=size)).ids
                ),
                "naive": lambda: naive.panoptic(
                    self.generic[0], naive.enlarge(self.generic[1], size), (True,) * CLASSES, SCORE
                ),
            },
        }

    def warm(self, stage: str | None = None, way: str | None = None) -> None:
        """Compute the inputs of a stage and an implementation; None means all."""
        _ = self.network, self.plain, self.image, self.draws, self.generic
        if stage in ("encode", "panoptic map"):
            return
        if way != "naive" or stage == "tenth click":
            _ = self.session
        if way != "seemkit":
            _ = self.bare, self.previous if stage in (None, "tenth click") else None
        _ = self.classes

    def _objects(self) -> Tensor:
        return self.network.panoptic_inputs(self.session.context, self.classes.to(self.dtype))[1][0]

    def _tenth(self) -> Tensor:
        found = self.session.add(self.clicks[-1], name="ten").predict(name="ten").logits
        self.session.undo()
        return found

    def _naive_prompts(self, prompts: list[Prompt], previous: Tensor | None) -> Tensor:
        return naive.prompted(self.plain, self.bare, prompts, previous, self.draws)


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


def measure(
    preset: str, side: int, dtype: torch.dtype, repeats: int, only: Sequence[str] = STAGES
) -> dict[str, dict[str, object]]:
    """Return the figures of all stages in one dtype."""
    name = str(dtype).removeprefix("torch.")
    bench = Bench(preset, side, dtype)
    with torch.inference_mode():
        bench.warm()
    rows = {stage: time_stage(calls, repeats, WAYS) for stage, calls in bench.stages().items() if stage in only}
    del bench
    gc.collect()
    for stage, row in rows.items():
        arguments = ["--preset", preset, "--size", str(side), "--dtypes", name, "--peak-of", stage]
        row["peak_mib"] = {way: round(peak_of_process(__file__, *arguments, "--way", way) / 2**20) for way in WAYS}
    if dtype == torch.float32 and TRAINING in only:
        rows[TRAINING] = training(side, repeats)
    for stage, row in rows.items():
        row.update(ratios(row))
        row["bars_held"] = holds(stage, name, row)
    return rows


def ratios(row: dict[str, Any]) -> dict[str, float]:
    """Return how many times as fast seemkit is, and its share of the plain implementation's memory."""
    seconds, peak = row["seconds"], row["peak_mib"]
    return {"speedup": seconds["naive"] / seconds["seemkit"], "memory": peak["seemkit"] / max(peak["naive"], 1)}


def holds(stage: str, dtype: str, row: dict[str, Any]) -> bool:
    """Return whether a row keeps its limits and its results agree."""
    memory = MEMORY_BARS.get(stage, float("inf"))
    fast = row["speedup"] >= BARS.get(stage, {}).get(dtype, 0) and row["memory"] <= memory
    if "equal_ids" in row:
        return fast and row["equal_ids"] > 1 - TOLERANCE
    return fast and (row["iou"] >= LEAST_IOU if dtype == "bfloat16" else row["difference"] <= TOLERANCE)


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| stage | type | seemkit ms | naive ms | times as fast | memory MiB | naive MiB | results |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dtype, rows in found.items():
        for stage, row in rows.items():
            seconds, peak = row["seconds"], row["peak_mib"]
            if "equal_ids" in row:
                result = f"{row['equal_ids']:.4%} of pixels equal"
            elif "iou" in row:
                result = f"differ by {row['difference']:.1e}, IoU {row['iou']:.4f}"
            else:
                result = f"differ by {row['difference']:.1e}"
            lines.append(
                f"| {stage} | {dtype} | {1000 * seconds['seemkit']:.0f} | {1000 * seconds['naive']:.0f} "
                f"| {row['speedup']:.1f} | {peak['seemkit']} | {peak['naive']} | {result} |"
            )
    return "\n".join(lines)


def main() -> int:
    """Print the table and return 0 if every row keeps its limits and the results agree, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="davit-d3", choices=PRESETS, help="published model without its version")
    parser.add_argument("--size", type=int, default=1024)
    usual = ["float32", "bfloat16"] if bfloat16_is_fast(torch.device("cpu")) else ["float32"]
    parser.add_argument("--dtypes", nargs="+", default=usual, choices=["float32", "bfloat16", "float64"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=STAGES, choices=STAGES, metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        bench = Bench(options.preset, options.size, getattr(torch, options.dtypes[0]))
        with torch.inference_mode():
            bench.warm(options.peak_of, options.way)
            print(peak_of(bench.stages()[options.peak_of][options.way]))
        return 0
    found = {
        name: measure(options.preset, options.size, getattr(torch, name), options.repeats, options.only)
        for name in options.dtypes
    }
    print(table(found))
    if options.json:
        head = {"preset": options.preset, "size": options.size, "threads": torch.get_num_threads()}
        options.json.write_text(json.dumps({**head, "torch": torch.__version__, "stages": found}, indent=2) + "\n")
    return 0 if all(row["bars_held"] for rows in found.values() for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
