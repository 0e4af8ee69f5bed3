"""Try seemkit on a GPU in one command: the same results as on the CPU, times, waits, compiling, sharding.

    python benchmarks/gpu.py [--device cuda] [--preset davit-d3] [--size 1024] [--config seem_davit] [--out gpu.md]

It writes a Markdown table. Weights are random, so nothing has to be downloaded. It has not been run on a GPU yet.
Without such a device it says so and ends. ``--device cpu`` rehearses it, in a few minutes with ``--preset scenes-tiny
--size 256 --config seem_tiny``.

- *Results*: the largest difference of a stage's result from the CPU's, relative to its largest value, and the IoU of
  what is positive; of a map of classes, the share of equal pixels.
- *Stages*: median seconds of inference in float32 and in bfloat16.
- *Training step*: loss, seconds and waits for the device of a step with clicks (two images with 10 objects, half the
  size). Waits are counted by torch, on CUDA alone.
- *Compiled*: a step with ``model.optimization.compile``, see `compiled_training.py`.
- *Sharded*: the losses of a short `seemkit fit` with `ModelParallelStrategy` on one device, and without it.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import compiled_training
import torch
from bench import Bench
from compiled_training import seconds
from torch import Tensor
from training_memory import network_of

from seemkit.inference.session import Session
from seemkit.losses.weights import LossWeights
from seemkit.model.seem import SEEM
from seemkit.prompts.values import Text
from seemkit.training.config import Alignment, Sampling
from seemkit.training.objective import Objective
from seemkit.types import Batch, Target, Vocabulary

REPEATS, SHARDED_STEPS = 5, 4
Rows = Iterator[tuple[str, ...]]


def stages(bench: Bench, network: SEEM) -> dict[str, Callable[[], Tensor]]:
    """Return what is asked of a network, by name; a call returns a tensor to compare."""
    image, clicks = bench.image.byte(), bench.clicks
    session = Session(network, image)

    def rounds() -> Tensor:
        played = Session.of(network, session.context, pixels=image)
        for click in clicks[:3]:
            played.add(click)
        return played.predict().logits

    return {
        "encode": lambda: network.encode_image([image]).mask_features,
        "first click": lambda: session.predict(clicks[0]).logits,
        "three rounds of clicks": rounds,
        "text": lambda: session.predict(Text("a red thing beside a blue one")).logits,
        "semantic map": lambda: Session.of(network, session.context, pixels=image).semantic(),
    }


def results(bench: Bench, device: str) -> Rows:
    """Compare every stage with the CPU's."""
    plain = bench.plain
    wanted = {name: call() for name, call in stages(bench, plain).items()}
    for name, call in stages(bench, moved(bench, device, torch.float32)).items():
        yield f"result: {name}", compared(call().detach().cpu(), wanted[name].detach())


def compared(found: Tensor, wanted: Tensor) -> str:
    """Return in words how much logits or a map of classes differ."""
    if not wanted.is_floating_point():
        return f"{float((found == wanted).float().mean()):.5f} of the pixels agree"
    difference = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-12))
    inside, there = found > 0, wanted > 0
    iou = float((inside & there).sum() / (inside | there).sum().clamp(min=1))
    return f"{difference:.1e} from the CPU's; IoU of what is positive {iou:.5f}"


def moved(bench: Bench, device: str, dtype: torch.dtype) -> SEEM:
    """Return a copy of the network on the device."""
    return Bench(bench.preset, bench.side).plain.to(device, dtype)


def stage_times(bench: Bench, device: str) -> Rows:
    """Time every stage."""
    for dtype in (torch.float32, torch.bfloat16):
        for name, call in stages(bench, moved(bench, device, dtype)).items():
            call()
            found = sorted(seconds(call, device) for _ in range(REPEATS))[REPEATS // 2]
            yield f"time: {name}, {str(dtype).removeprefix('torch.')}", f"{found:.4f} s"


def batch_of(side: int, classes: int) -> Batch:
    """Return two images with ten squares each."""
    images, targets = [], []
    for index in range(2):
        generator = torch.Generator().manual_seed(index)
        images.append(torch.randint(0, 256, (3, side, side), generator=generator, dtype=torch.uint8))
        masks = torch.zeros((10, side, side), dtype=torch.bool)
        for row, (x, y) in enumerate(torch.randint(0, side * 3 // 4, (10, 2), generator=generator).tolist()):
            masks[row, y : y + side // 5, x : x + side // 5] = True
        labels = torch.randint(classes, (10,), generator=generator)
        targets.append(Target(masks, labels, torch.zeros(10, dtype=torch.bool)))
    return Batch(images, targets)


def training(config: str, side: int, device: str) -> Rows:
    """Time a step with clicks, and count the waits for the device."""
    vocabulary = Vocabulary(tuple(f"class {index}" for index in range(20)), (True,) * 20)
    losses = {}
    for place in dict.fromkeys(("cpu", device)):
        torch.manual_seed(0)  # the same weights on both
        network = network_of(config, "published").to(place)
        batch = batch_of(side, len(vocabulary))
        batch = Batch([image.to(place) for image in batch.images], batch.targets)
        objective = Objective(network, vocabulary, Sampling(rounds=3), LossWeights(), Alignment(), None)

        def step(objective: Objective = objective, batch: Batch = batch) -> Tensor:
            objective.network.zero_grad(set_to_none=True)
            shared, *generators = (torch.Generator().manual_seed(seed) for seed in range(3))
            loss = torch.stack([term.mean for term in objective(batch, shared, generators).values()]).sum()
            loss.backward()
            return loss.detach()

        losses[place] = float(step())
        took = sorted(seconds(step, place) for _ in range(REPEATS))[REPEATS // 2]
        yield f"training step on {place}, {side} pixels", f"loss {losses[place]:.4f}, {took:.3f} s{waits(step, place)}"


def waits(step: Callable[[], object], device: str) -> str:
    """Return the number of waits in a step, in words."""
    if not device.startswith("cuda"):
        return ""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return f", {sum('synchronizing' in str(one.message) for one in caught)} waits"


def compiled(config: str, side: int, device: str) -> Rows:
    """Time a compiled step."""
    before, after, first = compiled_training.measure(config, side, 2, "published", REPEATS, device)
    took = f"{before:.3f} s as it is, {after:.3f} s compiled ({after / before:.2f}); the first takes {first:.0f} s"
    yield f"step without clicks, {side} pixels", took


def sharded(device: str) -> Rows:
    """Train a small model on drawn scenes with and without shards."""
    root = Path(__file__).parents[1]
    strategy = "lightning.pytorch.strategies.ModelParallelStrategy"
    shards = ["--trainer.strategy", strategy, "--trainer.strategy.data_parallel_size", "1"]
    shards += ["--trainer.strategy.tensor_parallel_size", "1"]
    callback = ["--trainer.callbacks", "[seemkit.callbacks.Progress]"]  # sharded weights are not averaged
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, words in (("whole", ["--trainer.strategy", "auto"]), ("sharded", shards)):
            run = Path(folder) / name
            given = {
                "config": root / "configs" / "seem_tiny.yaml",
                "trainer.default_root_dir": run,
                "trainer.accelerator": device.partition(":")[0],
                "trainer.devices": 1,
                "trainer.max_steps": SHARDED_STEPS,
                "trainer.limit_val_batches": 0,
                "trainer.limit_test_batches": 0,
                "trainer.log_every_n_steps": 1,
                "model.alignment.alone": 0,
                "data.images_train": 32,
            }
            options = [word for key, value in given.items() for word in (f"--{key}", str(value))]
            command = [sys.executable, "-m", "seemkit", "fit", *options, *callback, *words]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                yield "sharded", f"{name}: failed: {done.stderr.strip().splitlines()[-1]}"
                return
            with (run / "logs" / "csv" / "metrics.csv").open() as file:
                rows[name] = [float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]
    largest = max(abs(a - b) / abs(a) for a, b in zip(rows["whole"], rows["sharded"], strict=True))
    yield "sharded on one device", f"losses of {len(rows['whole'])} steps differ by at most {largest:.1e}"


def main() -> None:
    """Run the parts, print each row as it comes, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="davit-d3", help="see speed.py")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--config", default="seem_davit", help="configuration in configs/ whose step is measured")
    parser.add_argument("--out", type=Path, default=Path("gpu.md"))
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("skipped: torch finds no CUDA device here (--device cpu rehearses it)")
        return
    name = torch.cuda.get_device_name(options.device) if options.device.startswith("cuda") else options.device
    bench = Bench(options.preset, options.size)
    lines = [f"{options.preset} at {options.size} pixels, {options.config}; {name}, torch {torch.__version__}", ""]
    lines += ["| what | result |", "|---|---|"]
    print("\n".join(lines), flush=True)
    start = time.perf_counter()

    parts = (
        lambda: results(bench, options.device),
        lambda: stage_times(bench, options.device),
        lambda: training(options.config, options.size // 2, options.device),
        lambda: compiled(options.config, options.size // 2, options.device),
        lambda: sharded(options.device),
    )
    for part in parts:
        for row in part():
            lines.append(f"| {row[0]} | {row[1]} |")
            print(lines[-1], flush=True)
            options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"\n{time.perf_counter() - start:.0f} s; written to {options.out}")


if __name__ == "__main__":
    main()
