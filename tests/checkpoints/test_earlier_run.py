"""A run folder of version 0.1.0.dev0 before its classes and fields were renamed: it loads, and it resumes.

``run_of_0_1.tar.xz`` was written by that version: six steps on eight scenes, a checkpoint after the third. The weights
of its text tower are zero, so that the file is small.
"""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import pytest
import torch
import yaml

from seemkit import SEEM, Point, Session
from seemkit.cli.earlier_names import CLASSES, current_names
from seemkit.cli.main import main
from seemkit.data.scenes import write_scenes
from tests.networks import picture


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with tarfile.open(Path(__file__).with_name("run_of_0_1.tar.xz")) as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path / "run"


def test_its_model_loads(run: Path) -> None:
    assert "width" in (run / "architecture.yaml").read_text()
    network = SEEM.from_pretrained(run)
    assert (network.architecture.embed_dim, network.architecture.num_heads, network.architecture.ffn_dim) == (32, 4, 32)
    assert network.vocabulary is not None
    assert Session(network, picture(64, 64)).add(Point(30, 30)).predict().mask.shape == (64, 64)


@pytest.mark.slow
def test_it_resumes_with_its_own_configuration(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)  # its paths are relative
    config = run / "logs" / "csv" / "config.yaml"
    assert {"seemkit.loggers.CSVLogger", "seemkit.data.datamodule.CocoDataModule"} <= set(config.read_text().split())
    with (run / "logs" / "csv" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    before = {int(row["step"]): float(row["train/loss"]) for row in rows}
    scenes = write_scenes(run.parent / "scenes", {"train": 8, "val": 2, "test": 2}, size=64)
    folders = ["--trainer.default_root_dir", str(run), "--data.root", str(scenes), "--model.weights", str(run)]
    logger = f"[{{class_path: seemkit.cluster.CSVLogger, init_args: {{save_dir: {run}, name: logs, version: again}}}}]"
    checkpoint = str(run / "checkpoints" / "step=3.ckpt")
    words = ["--config", str(config), *folders, "--trainer.logger", logger, "--ckpt_path", checkpoint]
    assert main(["fit", *words, "--trainer.limit_test_batches", "0"]) == 0
    with (run / "logs" / "again" / "metrics.csv").open() as file:
        after = {int(row["step"]): float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]}
    assert sorted(after) == [3, 4, 5]
    assert [after[step] for step in sorted(after)] == pytest.approx([before[step] for step in sorted(after)], rel=1e-4)


def test_every_earlier_class_is_found_today() -> None:
    for path in CLASSES.values():
        package, _, name = path.rpartition(".")
        assert isinstance(getattr(__import__(package, fromlist=[name]), name), type), path


def test_earlier_names_of_fields_and_sources() -> None:
    sources = [
        {"root": "a", "split": "train", "weight": 2.0, "grounding": None, "skip_empty": False, "release": None},
        {"root": "b", "split": "train", "lvis": "l.json", "exclude": ["x"], "skip_empty": False},
        {"root": "c", "split": "train", "skip_empty": True},
        {"root": "d", "split": "train", "release": "refcoco+", "split_by": "unc"},
    ]
    earlier = {
        "model": {
            "architecture": {"width": 64, "heads": 4, "hidden": 128, "text_width": 64, "queries": 30},
            "optimisation": {"warmup": 3},  # codespell:ignore
            "criterion": {"points": 8},
            "sampling": {"user": {"centre": 0.5}},  # codespell:ignore
        },
        "data": {
            "class_path": "seemkit.data.datamodule.CocoDataModule",
            "init_args": {"root": "a", "sources": sources},
        },
    }
    found = current_names(yaml.safe_load(yaml.safe_dump(earlier)))
    assert found["model"] == {
        "architecture": {"embed_dim": 64, "num_heads": 4, "ffn_dim": 128, "text_embed_dim": 64, "queries": 30},
        "optimization": {"warmup": 3},
        "loss_weights": {"points": 8},
        "sampling": {"user": {"center": 0.5}},
    }
    assert found["data"]["class_path"] == "seemkit.data.CocoDataModule"
    assert found["data"]["init_args"]["sources"] == [
        {"class_path": "seemkit.data.CocoSource", "init_args": {"root": "a", "split": "train", "weight": 2.0}},
        {
            "class_path": "seemkit.data.CocoPanopticSource",
            "init_args": {"root": "b", "split": "train", "lvis": "l.json", "exclude": ["x"]},
        },
        {
            "class_path": "seemkit.data.CocoInstancesSource",
            "init_args": {"root": "c", "split": "train", "skip_empty": True},
        },
        {
            "class_path": "seemkit.data.RefCocoSource",
            "init_args": {"root": "d", "split": "train", "release": "refcoco+", "split_by": "unc"},
        },
    ]
    assert current_names(found) == found


@pytest.mark.parametrize("value", [None, 3, "trainer", ["model"], {"class_path": "seemkit.loggers.CSVLogger"}])
def test_what_is_no_configuration_is_left_alone(value: object) -> None:
    assert current_names(value) == value


def test_a_checkpoint_of_earlier_names_has_todays_weights(run: Path) -> None:
    state = torch.load(run / "checkpoints" / "step=3.ckpt", weights_only=True)["state_dict"]
    names = {name.removeprefix("network.") for name in state if name.startswith("network.")}
    assert names == set(SEEM.from_pretrained(run).state_dict())
