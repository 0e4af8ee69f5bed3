"""A run whose weights are sharded over two processes, stopped and resumed on the command line."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from seemkit import SEEM
from seemkit.data.scenes import write_scenes
from tests.cli.test_train import settings

STEPS, SAVED = 6, 3
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}


def fit(run: Path, scenes: Path, *words: str) -> dict[int, float]:
    """The loss of each step of a run on two processes."""
    checkpoint = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"dirpath": str(run / "saved"), "every_n_train_steps": SAVED, "save_top_k": -1},
    }
    strategy = {
        "class_path": "lightning.pytorch.strategies.ModelParallelStrategy",
        "init_args": {"data_parallel_size": 2, "tensor_parallel_size": 1},
    }
    callbacks = [checkpoint, {"class_path": "seemkit.callbacks.SaveWeights"}]
    trainer = {"callbacks": callbacks, "devices": 2, "strategy": strategy, "accelerator": "cpu"}
    config = run.parent / f"{run.name}-sharded.yaml"
    config.write_text(yaml.safe_dump({"trainer": {**trainer, "limit_val_batches": 0, "limit_test_batches": 0}}))
    command = ["-m", "seemkit", "fit", *settings(run, scenes, STEPS), "--config", str(config), *words]
    done = subprocess.run(
        [sys.executable, *command, "--data.batch_size", "2"],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with (run / "logs" / "csv" / "metrics.csv").open() as file:
        return {int(row["step"]): float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")}


@pytest.mark.slow
def test_a_sharded_run_goes_on_where_it_was(tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "scenes", {"train": 8, "val": 1, "test": 1}, size=64)
    whole = fit(tmp_path / "whole", scenes)
    assert set(whole) == set(range(STEPS))
    (saved,) = (tmp_path / "whole" / "saved").glob(f"*step={SAVED}*")
    assert fit(tmp_path / "resumed", scenes, "--ckpt_path", str(saved)) == {s: whole[s] for s in range(SAVED, STEPS)}
    first, second = (SEEM.from_pretrained(str(tmp_path / name)).state_dict() for name in ("whole", "resumed"))
    assert all((first[name] == second[name]).all() for name in first)
