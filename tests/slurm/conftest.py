"""Runs on a cluster of two nodes."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import yaml

from seemkit.cli.main import main
from seemkit.data.scenes import write_scenes
from tests.cli.test_train import settings
from tests.slurm.cluster import Cluster, missing, without_slurm

STEPS, EVERY = 12, 4
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
CHECKPOINTS = "lightning.pytorch.callbacks.ModelCheckpoint"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if absent := missing():
        pytest.skip(f"SLURM is not installed: {', '.join(absent)}")
    root = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # the path of a socket has to be short
    try:
        with Cluster(root) as running:
            yield running
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 16, "val": 3, "test": 3}, size=64)


@dataclass
class Run:
    """A run in a folder of its own."""

    folder: Path
    scenes: Path
    callbacks: tuple[dict, ...] = ()
    trainer: dict = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """The options of `seemkit fit`."""
        keeper = {"dirpath": str(self.folder / "checkpoints"), "every_n_train_steps": EVERY, "save_last": True}
        callbacks = [
            {"class_path": "lightning.pytorch.callbacks.EMAWeightAveraging", "init_args": {"decay": 0.5}},
            {"class_path": CHECKPOINTS, "init_args": keeper},
            {"class_path": "seemkit.callbacks.PanopticEvaluation"},
            {"class_path": "seemkit.callbacks.SaveWeights"},
            *self.callbacks,
        ]
        trainer = {"limit_val_batches": 0, "limit_test_batches": 0, **self.trainer, "callbacks": callbacks}
        config = self.folder.parent / f"{self.folder.name}-run.yaml"
        first, second = settings(self.folder, self.scenes, STEPS)[1::2]
        config.write_text(yaml.safe_dump({"trainer": trainer, "data": {"init_args": {"batch_size": 2}}}))
        return [word for path in (first, second, str(config)) for word in ("--config", path)]

    def torchrun(self) -> None:
        """Runs on two nodes of one process each, both on this host."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            meeting = ["--master-addr", "127.0.0.1", "--master-port", str(free.getsockname()[1])]
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *meeting]
        nodes = [
            subprocess.Popen(
                [*command, "--node-rank", str(rank), "-m", "seemkit", "fit", *self.words],
                env=plain(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for rank in (0, 1)
        ]  # fmt: skip
        outputs = [node.communicate(timeout=240)[0] for node in nodes]
        assert not any(node.returncode for node in nodes), outputs

    @property
    def last(self) -> Path:
        """Its newest checkpoint."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def saved_step(self) -> int:
        """The step of the newest checkpoint, which has to be whole."""
        return torch.load(self.last, weights_only=True)["global_step"]

    @property
    def log(self) -> str:
        """What its jobs printed."""
        return "".join(path.read_text() for path in self.folder.glob("slurm-*.log"))

    @property
    def curve(self) -> dict[int, float]:
        """The loss of each step; each is there once."""
        with (self.folder / "logs" / "csv" / "metrics.csv").open() as file:
            rows = [
                (int(row["step"]), float(row["train/loss"])) for row in csv.DictReader(file) if row.get("train/loss")
            ]
        assert len(rows) == len(dict(rows))
        return dict(rows)

    @property
    def validations(self) -> list[int]:
        """The steps of its validations."""
        with (self.folder / "logs" / "csv" / "metrics.csv").open() as file:
            return [int(row["step"]) for row in csv.DictReader(file) if row.get("val/pq")]

    @property
    def weights(self) -> bytes:
        """The weights at the end."""
        return (self.folder / "model.safetensors").read_bytes()


def fault(what: str, folder: Path, step: int = 5, rank: int = 1) -> dict:
    """A callback of `tests.stopping`, which acts once."""
    return {
        "class_path": f"tests.stopping.{what}",
        "init_args": {"mark": str(folder / "mark"), "step": step, "rank": rank},
    }


@pytest.fixture
def submit(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Submits a run as users do; gives the number of the job. Afterwards the cluster is idle again."""
    for name in os.environ.keys() - without_slurm().keys():
        monkeypatch.delenv(name)
    path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
    for name, value in (cluster.environment | plain() | {"PATH": path}).items():
        monkeypatch.setenv(name, value)

    def submit(run: Run, *words: str, nodes: int = 2, devices: int = 1) -> str:
        size = ["--nodes", str(nodes), "--devices", str(devices), "--time", "30:00"]
        assert main(["slurm", "submit", *run.words, *size, *words]) == 0
        return capfd.readouterr().out.split()[1]

    yield submit
    cluster.clear()


@pytest.fixture(scope="session")
def undisturbed(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run on one node with two processes, without SLURM."""
    run = Run(tmp_path_factory.mktemp("undisturbed") / "run", scenes)
    command = [sys.executable, "-m", "seemkit", "fit", *run.words, "--trainer.devices", "2"]
    done = subprocess.run(command, env=plain(), capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return run


def plain() -> dict[str, str]:
    """An environment without SLURM, in which processes meet on this host."""
    return without_slurm() | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **LOOPBACK}
