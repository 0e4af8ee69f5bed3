"""``seemkit fit`` and its sisters, run as a user runs them, on a network and data of seconds."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from seemkit import SEEM
from seemkit.cli.main import main
from seemkit.data.scenes import write_scenes

FOLDER = Path(__file__).parents[2] / "configs"
TINY = FOLDER / "seem_tiny.yaml"
CONFIGS = [[path] for path in sorted(FOLDER.glob("*.yaml"))]
OVERLAYS = [
    [FOLDER / "finetune.yaml" if path.name.startswith("finetune") else TINY, path]
    for path in sorted((FOLDER / "overlays").glob("*.yaml"))
]
SMALL = {
    "model": {
        "architecture": {
            "backbone_options": {"channels": [16, 16, 32, 32], "stem": 8},
            "backbone_levels": [1, 2, 3, 4],
            "backbone_weights": None,
            "fine_masks": False,
            "mask_refiner": 0,
            "embed_dim": 32,
            "ffn_dim": 32,
            "queries": 8,
            "text_embed_dim": 16,
            "text_layers": 1,
            "text_num_heads": 2,
            "click_field": 16,
        },
        "optimization": {"frozen": []},
        "loss_weights": {"points": 32},
        "alignment": {"weight": 1.0, "alone": 1},
    },
}


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 10, "val": 3, "test": 3}, size=64)


def fit(run: Path, scenes: Path, steps: int, *words: str) -> int:
    """The exit code of a short fit into the folder `run`."""
    return main(["fit", *settings(run, scenes, steps), *words])


def settings(run: Path, scenes: Path, steps: int) -> list[str]:
    """The options that make a run short."""
    run.mkdir(exist_ok=True)
    trainer = {"max_steps": steps, "default_root_dir": str(run), "val_check_interval": 4, "log_every_n_steps": 1}
    trainer["limit_val_batches"] = 1.0
    data = {"class_path": "seemkit.data.CocoDataModule", "init_args": {"root": str(scenes), "batch_size": 4}}
    config = run.parent / f"{run.name}.yaml"
    config.write_text(yaml.safe_dump({**SMALL, "trainer": trainer, "data": data}))
    return ["--config", str(TINY), "--config", str(config)]


def callbacks_of(config: Path) -> list[dict]:
    """The callbacks of a configuration."""
    return yaml.safe_load(config.read_text())["trainer"]["callbacks"]


def test_mixed_precision_trains_and_validates(scenes: Path, tmp_path: Path) -> None:
    """As the full-size configurations do, with clipped gradients; Lightning refuses that for some optimizers."""
    assert yaml.safe_load((FOLDER / "seem_davit.yaml").read_text())["trainer"]["precision"] == "bf16-mixed"
    limits = ["--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "1"]
    assert fit(tmp_path / "run", scenes, 4, "--trainer.precision", "bf16-mixed", *limits) == 0
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.slow
def test_a_run_leaves_everything_in_its_folder(scenes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(run, scenes, 4) == 0
    metrics = json.loads((run / "metrics.json").read_text())
    promised = (
        "pq pq_things pq_stuff miou referring_ciou referring_ciou_unseen noc_85 iou_1click iou_3clicks iou_5clicks"
    )
    assert set(promised.split()) <= set(metrics)
    assert all(0 <= metrics[name] <= 1 for name in ("pq", "miou", "referring_ciou", "iou_1click"))
    assert (run / "predictions.png").stat().st_size > 1000
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert (run / "logs" / "csv" / "metrics.csv").is_file()
    assert list((run / "logs" / "tensorboard").glob("events*"))
    network = SEEM.from_pretrained(run)
    assert network.vocabulary is not None
    assert "star" in network.vocabulary.names
    last = ["--ckpt_path", str(run / "checkpoints" / "last.ckpt")]
    before = (run / "metrics.json").read_text()
    assert main(["test", *settings(run, scenes, 4), *last]) == 0
    assert (run / "metrics.json").read_text() == before
    assert fit(run, scenes, 4, "--ckpt_path", "last") == 0  # nothing is left to train; averaged weights are tested
    assert (run / "metrics.json").read_text() == before
    assert main(["predict", *settings(run, scenes, 4), *last]) == 0
    written = json.loads((run / "predictions" / "panoptic.json").read_text())
    assert [row["file_name"] for row in written["images"]] == ["000000.png", "000001.png", "000002.png"]
    for row in written["annotations"]:
        ids = np.array(Image.open(run / "predictions" / "panoptic" / row["file_name"])).astype(int) @ [1, 256, 65536]
        assert set(np.unique(ids)) - {0} == {segment["id"] for segment in row["segments_info"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "steps", "within"),
    [
        ("InterruptAfter", 3, False),
        ("InterruptAfter", 5, True),  # in the last batch of an epoch
        ("TerminateAfter", 3, False),  # before the first batch of an epoch
        ("TerminateAfter", 5, False),  # before the last one
    ],
)
def test_an_interrupted_run_resumes_bit_identically(
    stop: str, steps: int, within: bool, scenes: Path, tmp_path: Path
) -> None:
    epochs = ["--trainer.max_steps", "-1", "--trainer.max_epochs", "2"]  # of three batches
    assert fit(tmp_path / "whole", scenes, 6, *epochs) == 0
    callbacks = callbacks_of(TINY)
    settings = {"steps": steps, "within": within} if stop == "InterruptAfter" else {"steps": steps}
    callbacks.append({"class_path": f"tests.stopping.{stop}", "init_args": settings})
    config = tmp_path / "interrupt.yaml"
    config.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}))
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit):
            fit(tmp_path / "part", scenes, 6, "--config", str(config), *epochs)
    finally:
        signal.signal(signal.SIGINT, handler)
    checkpoint = tmp_path / "part" / "checkpoints" / "last.ckpt"
    assert torch.load(checkpoint, weights_only=True)["global_step"] == steps
    assert fit(tmp_path / "part", scenes, 6, *epochs, "--ckpt_path", str(checkpoint)) == 0
    whole, resumed = (torch.load(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("whole", "part"))
    # the forward pass of an interrupted step has moved the averages of batch norm, and moves them again
    blind = ("running_mean", "running_var", "num_batches_tracked") if within else ()
    different = [
        name
        for kind in ("state_dict", "current_model_state")  # averaged and in training
        for name, weight in whole[kind].items()
        if not (blind and name.endswith(blind)) and not torch.equal(weight, resumed[kind][name])
    ]
    assert not different


@pytest.mark.slow
def test_a_folder_in_shards_trains_and_validates(scenes: Path, tmp_path: Path) -> None:
    assert main(["data", "shard", str(scenes), str(tmp_path / "shards"), "--images", "3"]) == 0
    assert fit(tmp_path / "run", tmp_path / "shards", 4, "--data.num_workers", "1") == 0
    metrics = (tmp_path / "run" / "metrics.json").read_text()
    last = ["--ckpt_path", str(tmp_path / "run" / "checkpoints" / "last.ckpt")]
    assert main(["test", *settings(tmp_path / "run", scenes, 4), *last]) == 0
    assert (tmp_path / "run" / "metrics.json").read_text() == metrics


@pytest.mark.slow
def test_a_last_checkpoint_is_not_overwritten(scenes: Path, tmp_path: Path) -> None:
    """Neither by a start that fails, nor by another run in the same folder that is stopped."""
    run = tmp_path / "run"
    assert fit(run, scenes, 2) == 0
    checkpoints = run / "checkpoints"
    assert fit(run, scenes, 2, "--model.architecture.queries", "9", "--ckpt_path", "last") == 2
    stop = {"class_path": "tests.stopping.TerminateAfter", "init_args": {"steps": 1}}
    config = tmp_path / "stop.yaml"
    config.write_text(yaml.safe_dump({"trainer": {"callbacks": [*callbacks_of(TINY), stop]}}))
    with pytest.raises(SystemExit) as stopped:
        fit(run, scenes, 2, "--config", str(config))
    assert stopped.value.code == 128 + signal.SIGTERM
    found = {path.name: torch.load(path, weights_only=True)["global_step"] for path in checkpoints.glob("last*")}
    assert found == {"last.ckpt": 2, "last-v1.ckpt": 1}


@pytest.mark.parametrize("configs", CONFIGS + OVERLAYS, ids=lambda paths: paths[-1].stem)
def test_every_shipped_config_parses(configs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for path in configs for word in ("--config", str(path))]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *words, "--data.root", "/somewhere", "--print_config"])
    assert not stop.value.code
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["weights"] or printed["model"]["architecture"]["queries"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model.architecture.breadth", "3"], "breadth"),
        (["--model.optimization.frozen", "[backbon]"], "backbon"),
        (["--ckpt_path", "nowhere.ckpt"], "nowhere.ckpt: no such file"),
        (["--data.root", "/nowhere"], "/nowhere"),
        (["--data.batch_size", "0"], "batch_size: is 0"),
        (["--config", "missing.yaml"], "missing.yaml"),
    ],
)
def test_bad_settings_are_one_line(
    words: list[str], said: str, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path / "run", scenes, 2, *words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seemkit: ")]
    assert len(lines) == 1
    assert said in lines[0]


def test_a_foreign_checkpoint_is_refused(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content, said in (
        (
            "other.ckpt",
            {"state_dict": {"layer.weight": torch.zeros(2)}, "pytorch-lightning_version": "2.6.4"},
            "weights",
        ),
        ("plain.pt", {"weight": torch.zeros(2)}, "state_dict"),
    ):
        torch.save(content, tmp_path / name)
        assert fit(tmp_path / "run", scenes, 2, "--ckpt_path", str(tmp_path / name)) == 2
        assert said in capsys.readouterr().err
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "other.ckpt").read_bytes()[:400])
    assert fit(tmp_path / "run", scenes, 2, "--ckpt_path", str(tmp_path / "cut.ckpt")) == 2
    assert "not a readable checkpoint" in capsys.readouterr().err


def test_diverging_training_ends_in_one_line(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--model.optimization.learning_rate",
        "1e9",
        "--trainer.gradient_clip_val",
        "null",
        "--model.alignment.alone",
        "0",
    ]
    assert fit(tmp_path / "run", scenes, 12, *words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seemkit: ")]
    assert len(lines) == 1
    assert "so training has diverged; use a lower model.optimization.learning_rate" in lines[0]
