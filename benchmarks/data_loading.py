"""Measure how long a training step waits for its images.

    python benchmarks/data_loading.py --json OUT [--side 512] [--batch 4] [--workers 2] [--steps 12]

The network of `configs/seem_tiny.yaml`, which has the shortest step of seemkit's configurations, is trained on scenes
in a temporary folder. The share is the time in the loader's `next` divided by the whole time. The first two steps, in
which the workers start, do not count.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from lightning import Trainer
from lightning.pytorch.profilers import SimpleProfiler

from seemkit.data.datamodules.coco import CocoDataModule
from seemkit.data.scenes import write_scenes
from seemkit.nn.architecture import Architecture
from seemkit.training.config import Optimization, Sampling
from seemkit.training.module import SeemModule

BAR, WARM = 0.05, 2
TINY = Architecture(
    backbone="resnet",
    backbone_options={"channels": [32, 64, 128, 256], "stem": 16},
    backbone_levels=(1, 2, 3, 4),
    embed_dim=64, num_heads=4, ffn_dim=128, encoder_layers=1, decoder_layers=3, queries=30, memory=12,
    text_embed_dim=64, text_layers=2, text_num_heads=4, templates=("{}",), click_field=64,
)  # fmt: skip


def measure(side: int, batch: int, workers: int, steps: int) -> dict[str, object]:
    """Return the mean seconds of a wait and of a step without its wait, and the share of the waits."""
    profiler = SimpleProfiler()
    with tempfile.TemporaryDirectory() as folder:
        write_scenes(Path(folder) / "scenes", {"train": batch * (steps + 2)}, size=side)
        data = CocoDataModule(str(Path(folder) / "scenes"), batch_size=batch, num_workers=workers)
        trainer = Trainer(
            accelerator="cpu", max_steps=steps, profiler=profiler, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
            limit_val_batches=0, default_root_dir=folder,
        )  # fmt: skip
        module = SeemModule(TINY, Optimization(frozen=()), Sampling(objects=3, rounds=0))
        trainer.fit(module, datamodule=data)
    durations = profiler.recorded_durations
    waits = durations["[_TrainingEpochLoop].train_dataloader_next"][WARM:steps]
    work = durations["run_training_batch"][WARM:steps]
    return {
        "side": side,
        "batch": batch,
        "workers": workers,
        "threads": torch.get_num_threads(),
        "wait_seconds": sum(waits) / len(waits),
        "step_seconds": sum(work) / len(work),
        "share_waiting": sum(waits) / (sum(waits) + sum(work)),
    }


def main() -> int:
    """Print the figures and return 0 if the share of the waits is below `BAR`, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    for name, value in (("side", 512), ("batch", 4), ("workers", 2), ("steps", 12)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    found = measure(options.side, options.batch, options.workers, options.steps)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if found["share_waiting"] < BAR else 1


if __name__ == "__main__":
    sys.exit(main())
