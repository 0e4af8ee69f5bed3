"""What ``seemkit data shard`` refuses, and that it leaves nothing behind then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seemkit.cli.main import main
from seemkit.data.prepare import shard as writer
from tests.objects import edit


def shard(source: Path, out: Path, *words: str) -> int:
    return main(["data", "shard", str(source), str(out), *words])


def listed_outside(folder: Path) -> None:
    (folder / "train/train_000.png").rename(folder / "away.png")
    edit(folder / "annotations/panoptic_train.json", lambda c: c["images"][0].update(file_name="../away.png"))


def named_like_a_map(folder: Path) -> None:
    (folder / "train/train_000.png").rename(folder / "train/train_001.panoptic.png")
    path = folder / "annotations/panoptic_train.json"
    edit(path, lambda c: c["images"][0].update(file_name="train_001.panoptic.png"))


@pytest.mark.parametrize(
    ("fault", "words", "message"),
    [
        (lambda f: (f / "val/val_001.png").unlink(), [], r"val/val_001.png: no such file, but"),
        (
            lambda f: (f / "annotations/panoptic_val/val_001.png").unlink(),
            [],
            r"panoptic_val/val_001.png: no such file",
        ),
        (lambda f: (f / "annotations/panoptic_val.json").write_text("{"), [], "panoptic_val.json: is no valid JSON"),
        (lambda f: None, ["--split", "train", "dev"], "--split dev: "),
        (lambda f: None, ["--images", "0"], "--images 0: expected"),
        (lambda f: (f / "annotations").rename(f / "notes"), [], "annotations: holds no panoptic_<split>.json or"),
        (listed_outside, [], "away.png leads out of its folder"),
        (named_like_a_map, [], "would be train_001.panoptic.png in its shard, as would"),
    ],
)
def test_nothing_is_left(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[Path], object],
    words: list[str],
    message: str,
) -> None:
    fault(folder)
    assert shard(folder, folder.parent / "deep/out", *words) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("seemkit: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_interrupted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stop: BaseException
) -> None:
    add, calls = writer._add, []

    def stopping(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) > 9:
            assert len(list(folder.parent.glob(".out-*"))) == 1
            raise stop
        return add(*arguments)

    monkeypatch.setattr(writer, "_add", stopping)
    if isinstance(stop, OSError):
        assert shard(folder, folder.parent / "out", "--images", "2") == 2
        assert capsys.readouterr().err == f"seemkit: {folder.parent}/out: cannot write there: No space left on device\n"
    else:
        with pytest.raises(KeyboardInterrupt):
            shard(folder, folder.parent / "out", "--images", "2")
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_out_must_be_free(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out"
    out.mkdir()
    assert shard(folder, out) == 0
    before = sorted(out.rglob("*"))
    capsys.readouterr()
    for target in (out, folder):
        assert shard(folder, target) == 2
        assert capsys.readouterr().err == f"seemkit: {target}: exists already; remove it or choose another folder\n"
    assert sorted(out.rglob("*")) == before


def test_an_image_that_vanishes_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = writer._pack

    def later(*arguments: object) -> object:
        (folder / "train/train_003.png").unlink(missing_ok=True)
        return pack(*arguments)

    monkeypatch.setattr(writer, "_pack", later)
    assert shard(folder, folder.parent / "out") == 2
    assert "train/train_003.png: no such file; check its name and folder" in capsys.readouterr().err
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_only_some_splits(folder: Path) -> None:
    (folder / "val/val_001.png").unlink()
    (folder / "annotations/captions_v1_val.json").write_text("{}")
    out = folder.parent / "out"
    assert shard(folder, out, "--split", "test", "train") == 0
    kept = [
        "captions_v1_val.json",
        *(f"{kind}_{split}.json" for kind in ("panoptic", "refs") for split in ("test", "train")),
    ]
    assert sorted(path.name for path in (out / "annotations").iterdir()) == kept
    assert sorted(path.name for path in (out / "shards").glob("*.json")) == ["test.json", "train.json"]
