"""What ``seemkit data shard`` refuses, and that it leaves nothing behind then."""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seemkit.cli.main import main
from seemkit.data.prepare.shard import shard as pack
from seemkit.errors import InputError
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
        (lambda f: (f / "annotations/panoptic_val.json").write_text("{"), [], "panoptic_val.json: is not valid JSON"),
        (lambda f: None, ["--split", "train", "dev"], "--split dev: "),
        (lambda f: None, ["--images", "0"], "--images 0: expected"),
        (lambda f: (f / "annotations").rename(f / "notes"), [], "annotations: holds no panoptic_<split>.json or"),
        (listed_outside, [], "away.png, outside its folder"),
        (named_like_a_map, [], "would be train_001.panoptic.png in its shard, like "),
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
def test_interrupted(folder: Path, stop: BaseException) -> None:
    out, lines = folder.parent / "out", []

    def stopping(line: str) -> None:
        lines.append(line)
        if line == "packing train 4/7":
            (draft,) = folder.parent.glob(".out-*")
            (written,) = draft.rglob("train-000001.tar")
            assert written.stat().st_size > 0
            raise stop

    with pytest.raises((KeyboardInterrupt, InputError)) as error:
        pack(folder, out, (), 2, stopping)
    assert str(error.value) in ("", f"{out}: cannot write there: No space left on device")
    assert lines[-1] == "packing train 4/7"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_file_that_cannot_grow(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A process of its own, which may write files of 20 kB at most: the shard of all images is larger."""
    command = [sys.executable, "-m", "seemkit", "data", "shard", str(folder), str(folder.parent / "out")]
    paths = os.pathsep.join(path for path in sys.path if path)
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (20_000, 20_000))
    done = subprocess.run(command, preexec_fn=limit, env=os.environ | {"PYTHONPATH": paths}, check=False)
    assert done.returncode == 2
    assert capfd.readouterr().err == f"seemkit: {folder.parent}/out: cannot write there: File too large\n"
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


def test_an_image_that_vanishes_meanwhile(folder: Path) -> None:
    def vanish(line: str) -> None:
        if line.startswith("packing"):
            (folder / "train/train_003.png").unlink(missing_ok=True)

    with pytest.raises(InputError, match=r"train/train_003\.png: no such file; check its name and folder"):
        pack(folder, folder.parent / "out", (), 100, vanish)
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
