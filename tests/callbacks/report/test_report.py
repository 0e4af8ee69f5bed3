"""``seemkit test`` on the shipped model: table, files and page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from seemkit.callbacks.evaluation.worst_cases import LIMIT, WorstCases
from seemkit.cli.main import main
from seemkit.data.scenes import write_scenes

CONFIG = Path(__file__).parents[3] / "configs" / "seem_tiny.yaml"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 1, "val": 1, "test": 3})


def words(run: Path, scenes: Path) -> list[str]:
    """The options of a short test into the folder `run`."""
    evaluations = [
        {"class_path": "PanopticEvaluation", "init_args": {"score_threshold": 0.4, "overlap_threshold": 0.6}},
        {"class_path": "InstanceEvaluation"},
        {"class_path": "ReferringEvaluation", "init_args": {"tags": ["relation"]}},
        {"class_path": "InteractiveEvaluation", "init_args": {"clicks": 3, "starts": ["box"]}},
        {"class_path": "Report"},
    ]
    for callback in evaluations:
        callback["class_path"] = f"seemkit.callbacks.{callback['class_path']}"
    config = run.parent / f"{run.name}.yaml"
    trainer = {"default_root_dir": str(run), "callbacks": evaluations, "logger": False, "accelerator": "cpu"}
    data = {"class_path": "seemkit.data.CocoDataModule", "init_args": {"root": str(scenes), "batch_size": 1}}
    config.write_text(yaml.safe_dump({"trainer": trainer, "model": {"weights": "scenes-tiny"}, "data": data}))
    return ["test", "--config", str(config)]


def test_the_page(tmp_path, scenes, capsys):
    run = tmp_path / "run"
    assert main(words(run, scenes)) == 0
    results = json.loads((run / "metrics.json").read_text())
    assert {"pq", "miou", "ap", "box_ap", "referring_ciou", "noc_85", "k_noc_85", "iou_1box"} <= results.keys()
    page = (run / "report.md").read_text()
    head, cells = (line.strip("| ").split(" | ") for line in page.splitlines()[2:5:2])
    row = dict(zip(head, cells, strict=True))
    assert row["Weights"] == "scenes-tiny"
    assert row["PQ"] == f"{100 * results['pq']:.1f}"
    assert row["NoC85"] == f"{results['noc_85']:.2f}"
    for wanted in ("seed: 0", f"torch {torch.__version__.partition('+')[0]}", "commit", "test_split test", "Python"):
        assert wanted in page
    pictures = re.findall(r"!\[.*\]\((.*)\)", page)
    assert len(pictures) > 5
    for picture in pictures:
        with Image.open(run / picture) as image:
            assert min(image.size) >= 200
    assert sorted(str(path.relative_to(run)) for path in run.rglob("*.png")) == sorted(pictures)
    printed = capsys.readouterr().out
    assert str(run / "report.md") in printed.replace("\n", "")
    assert "IoU after 1 box" in printed
    assert "k-NoC@85 (clicks to all objects" in printed
    assert not re.search(r"k_noc|iou_1|_ciou", printed)


def settings_of(command: list[str], change) -> list[str]:
    """The same command with another configuration."""
    config = yaml.safe_load(Path(command[-1]).read_text())
    change(config["trainer"]["callbacks"])
    Path(command[-1]).write_text(yaml.safe_dump(config))
    return command


def test_mixed_precision(tmp_path, scenes):
    """What callbacks decode has the precision of the steps."""
    run = tmp_path / "run"
    assert main([*words(run, scenes), "--trainer.precision", "bf16-mixed", "--trainer.limit_test_batches", "1"]) == 0
    results = json.loads((run / "metrics.json").read_text())
    assert results["pq"] > 0.3
    assert results["iou_1click"] > 0.5


def test_an_evaluation_that_is_there_twice(tmp_path, scenes, capsys):
    command = settings_of(words(tmp_path / "run", scenes), lambda callbacks: callbacks.insert(0, callbacks[1]))
    assert main(command) == 2
    assert "InstanceEvaluation is listed twice" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["0", "2"])
def test_faulty_data_is_one_line_also_from_a_worker(tmp_path, scenes, capsys, workers):
    folder = tmp_path / "scenes"
    shutil.copytree(scenes, folder)
    broken = next((folder / "test").iterdir())
    broken.write_bytes(broken.read_bytes()[:200])
    command = words(tmp_path / "run", folder)
    assert main([*command, "--data.num_workers", workers]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"seemkit: {broken}")
    assert "Traceback" not in last


def test_data_without_anything_to_measure(tmp_path, scenes):
    folder, run = tmp_path / "scenes", tmp_path / "run"
    shutil.copytree(scenes, folder)
    (folder / "annotations" / "refs_test.json").unlink()
    run.mkdir()
    (run / "metrics.json").write_text('{"referring_ciou": 0.99}')

    def phrases_only(callbacks: list) -> None:
        callbacks[:] = [callbacks[2], callbacks[-1]]

    assert main(settings_of(words(run, folder), phrases_only)) == 0
    assert json.loads((run / "metrics.json").read_text()) == {}


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_figures(tmp_path, scenes):
    """Three images: of four processes one has none."""
    found = {}
    for world in (1, 4):
        run = tmp_path / f"run{world}"
        command = [sys.executable, "-m", "seemkit", *words(run, scenes), "--trainer.devices", str(world)]
        if world > 1:
            command += ["--trainer.strategy", "ddp"]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        page = (run / "report.md").read_text()
        found[world] = (run / "metrics.json").read_text(), re.findall(r"\*\*.*\*\*: .*", page)
    assert found[1] == found[4]


def test_worst_cases_keep_the_worst_and_draw_no_others():
    worst, drawn = WorstCases(), []
    for number in (5, 3, 1, 7, 8, 2, 9, 6, 4, 0):

        def draw(number=number):
            drawn.append(number)
            return torch.zeros(3, 4, 4, dtype=torch.uint8)

        worst.add(float(number), f"{number}.png", "", draw)
    assert [case.score for case in worst.cases] == [float(number) for number in range(LIMIT)]
    assert 8 in drawn  # while there was room
    assert 9 not in drawn  # came when six worse ones were there
