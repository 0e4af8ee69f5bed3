"""``seemkit predict``, as a user types it: every image once, whatever happens in between."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image

from seemkit.callbacks.prediction_log import LoggedImage, PredictionLog
from seemkit.cli.main import main
from seemkit.data.scenes import write_scenes
from seemkit.errors import InputError
from seemkit.types import Size

CONFIG = Path(__file__).parents[2] / "configs" / "finetune.yaml"
IMAGES = 5


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"val": 1, "test": IMAGES})


def words(scenes: Path, run: Path, *more: str, formats: tuple[str, ...] = ("coco-panoptic",)) -> list[str]:
    """The words of the command; the formats are in a configuration, as lists of callbacks are replaced whole."""
    config = yaml.safe_load(CONFIG.read_text())
    writer = {"class_path": "seemkit.callbacks.PredictionWriter"}
    config["trainer"]["callbacks"] = [{**writer, "init_args": {"formats": [*formats], "score_threshold": 0.4}}]
    run.mkdir(parents=True, exist_ok=True)
    (run / "predict.yaml").write_text(yaml.safe_dump(config))
    data = [
        "--data.root",
        str(scenes),
        "--data.test_split",
        "test",
        "--data.batch_size",
        "2",
        "--data.num_workers",
        "0",
    ]
    place = ["--trainer.default_root_dir", str(run)]
    return ["predict", "--config", str(run / "predict.yaml"), *data, *place, *more]


def files(run: Path) -> dict[str, bytes]:
    """The content of the files for other programs."""
    folder = run / "predictions"
    paths = [path for path in folder.rglob("*") if path.is_file() and (folder / "found") not in path.parents]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def noted(run: Path) -> list[str]:
    """The names of the images in the log, one for each time that an image was predicted."""
    lines = [line for path in (run / "predictions" / "found").glob("*.jsonl") for line in path.read_text().split("\n")]
    names = []
    for line in filter(None, lines):
        try:
            names.append(json.loads(line)["name"])
        except ValueError:
            assert line[:1] == "{"  # what was cut off
    return sorted(names)


@pytest.fixture(scope="module")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole")
    assert main(words(scenes, run, formats=("coco-panoptic", "coco-instances", "labelme", "masks"))) == 0
    assert len(noted(run)) == IMAGES
    return files(run)


def test_they_are_those_of_segment(scenes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    options = ["--model", "scenes-tiny", "--threshold", "0.4", "--format", "coco-instances", "--format", "masks"]
    assert main(["segment", str(scenes / "test"), *options, "--out", str(tmp_path)]) == 0
    theirs, ours = json.loads((tmp_path / "instances.json").read_text()), json.loads(whole["instances.json"])
    assert theirs["categories"] == ours["categories"]
    assert theirs["images"] == ours["images"]
    assert len(ours["annotations"]) > IMAGES

    def segments(content: dict) -> list[tuple[str, float]]:
        keys = ("image_id", "category_id", "area", "bbox", "segmentation")
        return sorted((str([row[key] for key in keys]), row["score"]) for row in content["annotations"])

    for (segment, score), (other, other_score) in zip(segments(ours), segments(theirs), strict=True):
        assert segment == other
        assert score == pytest.approx(other_score, abs=1e-5)  # two images at once instead of one
    assert {name.split("/")[0] for name in whole if name.endswith("overlay.png")} == {
        path.parent.name for path in tmp_path.glob("*/overlay.png")
    }


def test_an_interrupted_run_continues_and_other_formats_need_no_network(
    scenes: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(scenes, tmp_path, "--trainer.limit_predict_batches", "1")) == 0
    assert noted(tmp_path) == ["000000.png", "000001.png"]
    assert "3 of 5 images are missing" in capsys.readouterr().out
    log = tmp_path / "predictions" / "found" / "0.jsonl"
    log.write_bytes(log.read_bytes()[:-40])  # as after a crash
    assert main(words(scenes, tmp_path)) == 0
    assert f"{IMAGES} of {IMAGES} images" in capsys.readouterr().out
    assert noted(tmp_path) == [f"{number:06d}.png" for number in range(IMAGES)]
    before = log.read_bytes()
    assert main(words(scenes, tmp_path, formats=("coco-instances", "labelme"))) == 0
    assert log.read_bytes().strip() == before.strip()
    found = files(tmp_path)
    assert {"panoptic.json", "instances.json", "panoptic/000004.png"} <= found.keys()
    assert all(content == whole[name] for name, content in found.items() if not name.startswith("labelme"))


def test_a_folder_of_photographs_with_a_damaged_one(
    scenes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(scenes / "test", photos)
    content = (photos / "000002.png").read_bytes()
    (photos / "000002.png").write_bytes(content[:300])
    run = tmp_path / "run"
    assert main(words(scenes, run, "--data.predict_images", str(photos))) == 0
    said = capfd.readouterr()
    assert said.err.count("skipped: ") == 1
    assert "000002.png: cannot be read as an image" in said.err
    assert f"1 of {IMAGES} images are missing" in said.out
    (photos / "000002.png").write_bytes(content)
    assert main(words(scenes, run, "--data.predict_images", str(photos))) == 0
    assert len(noted(run)) == IMAGES
    assert len(json.loads(files(run)["panoptic.json"])["images"]) == IMAGES


def test_shards_and_folders_give_the_same(scenes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    assert main(["data", "shard", str(scenes), str(shards)]) == 0
    assert main(words(shards, tmp_path / "run")) == 0
    assert files(tmp_path / "run") == {name: whole[name] for name in files(tmp_path / "run")}


def test_predictions_of_another_model_are_not_mixed_in(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(scenes, tmp_path, "--trainer.limit_predict_batches", "1")) == 0
    other = ["--data.short_side", "96", "--data.test_split", "val"]
    assert main(words(scenes, tmp_path, *other)) == 2
    assert "has predictions of a run with another setting of images, sides; remove" in capsys.readouterr().err


def test_images_of_one_name_are_refused(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a/photo.png", "b/photo.jpg"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    both = json.dumps([str(tmp_path / "a/photo.png"), str(tmp_path / "b/photo.jpg")])
    assert main(words(scenes, tmp_path / "run", "--data.predict_images", both)) == 2
    assert "has the name of" in capsys.readouterr().err


def test_an_unknown_format_is_named(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(scenes, tmp_path, formats=("coco",))) == 2
    assert "formats coco: unknown; use one of masks, coco-instances" in capsys.readouterr().err


def test_a_model_that_was_not_trained_for_it_is_refused(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although the losses in the configuration would teach it."""
    assert main(words(scenes, tmp_path / "run", "--model.weights", "photos-tiny")) == 2
    assert "this model only answers" in capsys.readouterr().err
    assert not list((tmp_path / "run" / "predictions").glob("*.json"))


@pytest.mark.slow
def test_killed_on_two_processes_it_continues_on_one(scenes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.batch_size", "1"]
    log = tmp_path / "predictions" / "found"
    process = subprocess.Popen(
        [sys.executable, "-m", "seemkit", *words(scenes, tmp_path, *two)], start_new_session=True
    )
    end = time.monotonic() + 120
    while sum(path.stat().st_size for path in log.glob("*.jsonl")) == 0:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = noted(tmp_path)
    assert before
    assert main(words(scenes, tmp_path)) == 0
    assert sorted(set(noted(tmp_path))) == [f"{number:06d}.png" for number in range(IMAGES)]
    assert files(tmp_path) == {name: whole[name] for name in files(tmp_path)}


@pytest.mark.slow
def test_two_processes_share_the_images(scenes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    command = [sys.executable, "-m", "seemkit", *words(scenes, tmp_path, *two)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("segments, written to") == 1
    assert noted(tmp_path) == [f"{number:06d}.png" for number in range(IMAGES)]
    assert len([*(tmp_path / "predictions" / "found").glob("*.jsonl")]) == 2
    assert files(tmp_path) == {name: whole[name] for name in files(tmp_path)}


def test_a_log_that_is_cut_anywhere_can_be_continued(tmp_path: Path) -> None:
    images = [LoggedImage(f"{n}.png", Size(40, 50 + n), [{"label": "star", "score": 0.5}]) for n in range(3)]
    log = PredictionLog(tmp_path / "log").open(0)
    for image in images[:2]:
        log.add(image)
    log.close()
    content = (tmp_path / "log" / "0.jsonl").read_bytes()
    second = content.index(b"\n", 1) + 1
    for end in range(second, len(content) - 1):
        (tmp_path / "log" / "0.jsonl").write_bytes(content[:end])
        assert log.names() <= {"0.png", "1.png"}
        with_rest = PredictionLog(tmp_path / "log").open(0)
        for image in images[1:]:
            with_rest.add(image)
        with_rest.close()
        assert [found for _, found in with_rest.read(["2.png", "1.png", "none.png", "0.png"])] == images[::-1]


def test_the_settings_of_a_log_are_compared(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "predictions" / "found")
    log.check({"weights": 1})  # nothing is there
    log.begin({"weights": 1, "sides": [None, None]})
    log.check({"weights": 1, "sides": [None, None]})
    with pytest.raises(InputError, match=r"predictions: has predictions of a run with another setting of weights; rem"):
        log.check({"weights": 2, "sides": [None, None]})
