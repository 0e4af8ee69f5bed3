"""Runs that are stopped from outside, and go on."""

from __future__ import annotations

import contextlib
import csv
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from seemkit.cli.main import main
from seemkit.data.scenes import write_scenes
from tests.cli.test_train import settings

STEPS, EVERY = 40, 4
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 10, "val": 3, "test": 3}, size=64)


def words(run: Path, scenes: Path, *further: dict) -> list[str]:
    """The command of a run that saves every few steps, stops after some, and does not test."""
    callbacks = [
        {
            "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
            "init_args": {
                "dirpath": str(run / "checkpoints"),
                "every_n_train_steps": EVERY,
                "save_last": True,
            },
        },
        *further,
    ]
    config = run.parent / f"{run.name}-callbacks.yaml"
    trainer = {"callbacks": callbacks, "limit_val_batches": 0, "limit_test_batches": 0}
    config.write_text(yaml.safe_dump({"trainer": trainer}))
    return ["fit", *settings(run, scenes, STEPS), "--config", str(config)]


def curve(run: Path) -> dict[int, float]:
    """The loss of each step."""
    with (run / "logs" / "csv" / "metrics.csv").open() as file:
        return {int(row["step"]): float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")}


@pytest.fixture(scope="module")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main(words(run, scenes)) == 0
    return curve(run)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Returns when a file is there."""
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "delay"), [(signal.SIGKILL, 0.33), (signal.SIGTERM, 0.59)])
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    number: signal.Signals, delay: float, scenes: Path, whole: dict[int, float], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "seemkit", *words(run, scenes)],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    last = run / "checkpoints" / "last.ckpt"
    wait_for(last, process)
    time.sleep(delay)
    process.send_signal(number)
    assert process.wait(timeout=60) != 0
    steps = torch.load(last, weights_only=True)["global_step"]
    assert 0 < steps <= STEPS
    assert main([*words(run, scenes), "--ckpt_path", str(last)]) == 0
    found = curve(run)
    assert found == whole
    assert number == signal.SIGKILL or not list((run / "logs" / "csv").glob("metrics.*.csv"))  # nothing was repeated


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint(scenes: Path, tmp_path: Path, capsys) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    stop = {
        "class_path": "tests.stopping.NoRoom",
        "init_args": {"mark": str(tmp_path / "full"), "step": EVERY + 2, "rank": 0},
    }
    try:
        assert main(words(tmp_path / "run", scenes, stop)) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]
    left = list((tmp_path / "run" / "checkpoints").iterdir())
    assert "last.ckpt" in {path.name for path in left}
    assert {torch.load(path, weights_only=True)["global_step"] for path in left} == {EVERY}


def test_a_folder_that_cannot_be_written(scenes: Path, tmp_path: Path, capsys) -> None:
    command = words(tmp_path / "run", scenes)
    (tmp_path / "file").write_text("no folder")
    assert main([*command, "--trainer.default_root_dir", str(tmp_path / "file" / "run")]) == 2
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["first", "second"])
def test_a_lost_process_ends_the_other(victim: str, scenes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "seemkit", *words(run, scenes), "--trainer.devices", "2"]
    command += ["--trainer.strategy", "ddp", "--trainer.max_steps", "1000"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        wait_for(run / "checkpoints" / "last.ckpt", process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("needs Linux's list of children")
        second = int(children.read_text().split()[0])
        os.kill(process.pid if victim == "first" else second, signal.SIGKILL)
        output, _ = process.communicate(timeout=120)  # the pipe closes when both are gone
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what is left of a run that did not end as it should
    assert process.returncode != 0
    assert "Traceback" not in output.split("has ended", maxsplit=1)[-1]
    if victim == "first":
        assert "seemkit: rank 0, which holds the store of all processes, has ended" in output
