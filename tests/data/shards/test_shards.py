"""``seemkit data shard``, and what is read from the folder that it writes."""

from __future__ import annotations

import json
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from seemkit.cli.main import main
from seemkit.data import CocoPanopticSource, CocoSource
from seemkit.data.coco.base import CocoImages
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.datamodules.coco import CocoDataModule
from seemkit.data.loading.samplers import SampleKey
from seemkit.data.loading.transforms import HorizontalFlip, Sample
from seemkit.data.scenes import write_scenes
from seemkit.data.shards.order import WINDOW
from seemkit.errors import InputError
from tests.builders import write_coco
from tests.objects import annotation, edit, instances, rectangle, sentences


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("plain") / "scenes", {"train": 11, "val": 3}, size=64, workers=1)


@pytest.fixture(scope="session")
def packed(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "scenes"
    assert main(["data", "shard", str(scenes), str(out), "--images", "2"]) == 0
    return out


@pytest.fixture
def shards(folder: Path, tmp_path: Path) -> Path:
    """The folder of `write_coco` in shards of three images."""
    return shard(folder, tmp_path / "shards of coco", 3)


def shard(source: Path, out: Path, images: int = 3, *words: str) -> Path:
    assert main(["data", "shard", str(source), str(out), "--images", str(images), *words]) == 0
    return out


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["data", "check", str(folder)])
    return code, capsys.readouterr().out


def identical(a: Sample, b: Sample) -> bool:
    (image, target), (other, found) = a, b
    tensors = (image, target.masks, target.labels, target.crowd), (other, found.masks, found.labels, found.crowd)
    return all(map(torch.equal, *tensors)) and (target.phrases, target.name) == (found.phrases, found.name)


def assert_same(plain: CocoImages[Any], packed: CocoImages[Any]) -> None:
    assert plain.vocabulary == packed.vocabulary
    assert len(plain) == len(packed) > 0
    for key in (SampleKey(position, epoch) for epoch in (0, 3) for position in range(len(plain))):
        assert identical(plain[key], packed[key])


def test_what_is_written(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shard(scenes, tmp_path / "out", 4)
    size = {split: sum(path.stat().st_size for path in out.glob(f"shards/{split}-*.tar")) for split in ("train", "val")}
    first, *table, last = capsys.readouterr().out.splitlines()
    assert first == f"{scenes}: packed into {out}"
    rows = [
        ["images", "shards", "bytes"],
        ["train", "11", "3", str(size["train"])],
        ["val", "3", "1", str(size["val"])],
    ]
    assert [line.split() for line in table] == rows
    assert last == f"next: seemkit data check {out}"
    tars = ["train-000000.tar", "train-000001.tar", "train-000002.tar", "val-000000.tar"]
    assert sorted(path.name for path in (out / "shards").iterdir()) == sorted([*tars, "train.json", "val.json"])
    for path in (scenes / "annotations").glob("*.json"):
        assert (out / "annotations" / path.name).read_bytes() == path.read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["annotations", "shards"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_any_tar_program_reads_them(scenes: Path, packed: Path) -> None:
    files = json.loads((packed / "shards/train.json").read_text())["files"]
    for number in range(6):
        path = packed / f"shards/train-{number:06d}.tar"
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            names = [member.name for member in members]
            content = [tar.extractfile(member).read() for member in members]
        stems = [f"{image:06d}" for image in range(2 * number, min(2 * number + 2, 11))]
        assert names == [f"{stem}.{end}" for stem in stems for end in ("png", "panoptic.png")]
        originals = [
            scenes / place / f"{stem}.png" for stem in stems for place in ("train", "annotations/panoptic_train")
        ]
        assert content == [original.read_bytes() for original in originals]
        assert [files[name] for name in names] == [[number, member.offset_data, member.size] for member in members]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_the_same_folder_gives_the_same_bytes(scenes: Path, packed: Path, tmp_path: Path) -> None:
    again = shard(scenes, tmp_path / "again", 2)
    for path in (path for path in packed.rglob("*") if path.is_file()):
        assert (again / path.relative_to(packed)).read_bytes() == path.read_bytes()


def test_samples_are_those_of_the_folder(scenes: Path, packed: Path) -> None:
    flip = HorizontalFlip()
    assert_same(*(CocoPanoptic(root, "train", transform=flip, seed=2) for root in (scenes, packed)))
    assert_same(*(CocoSource(str(root), "val").open() for root in (scenes, packed)))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_samples_through_workers(scenes: Path, packed: Path, context: str) -> None:
    plain, dataset = (CocoPanoptic(root, "train") for root in (scenes, packed))
    assert identical(plain[0], dataset[0])  # a forked worker inherits the open shard
    loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=context)
    assert all(identical(plain[index], sample) for index, sample in enumerate(loader))


def open_files() -> int:
    return len([*Path("/dev/fd").iterdir()])


def test_few_files_are_open_at_a_time(tmp_path: Path) -> None:
    out = shard(write_coco(tmp_path / "coco", {"train": 2 * WINDOW}), tmp_path / "out", 1)
    dataset = CocoPanoptic(out, "train")
    before = open_files()
    for index in range(2 * WINDOW):
        dataset[index]
    assert open_files() - before == WINDOW
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.image_folder.reader is copy.png_folder.reader
    assert identical(dataset[3], copy[3])
    assert open_files() - before == WINDOW + 1
    del dataset, copy
    assert open_files() == before


def test_both_layouts_of_a_split(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"train_{index:03d}.png" for index in range(7)]
    Image.new("RGB", (48, 40)).save(folder / "train/more é.png")
    objects = [annotation(index + 1, 100 + index, [rectangle(3, 4, 12, 14)]) for index in range(8)]
    objects.append(annotation(99, 103, [rectangle(3, 4, 3, 14)]))  # without a pixel
    content = instances([*names, "more é.png"], objects)
    (folder / "annotations/instances_train.json").write_text(json.dumps(content))
    (folder / "annotations/refs_train.json").unlink()
    out = shard(folder, tmp_path / "out", 3, "--split", "train")
    with tarfile.open(out / "shards/train-000002.tar") as tar:
        assert tar.getnames() == ["train_006.png", "train_006.panoptic.png", "more é.png"]
    again = shard(out, tmp_path / "again", 3)
    for path in (out / "shards").iterdir():
        assert (again / "shards" / path.name).read_bytes() == path.read_bytes()
    assert_same(*(CocoInstances(root, "train", skip_empty=True) for root in (folder, out)))
    assert_same(*(CocoPanoptic(root, "train") for root in (folder, out)))
    assert sorted(path.name for path in (out / "annotations").iterdir()) == [
        "instances_train.json",
        "panoptic_train.json",
    ]
    (out / "annotations/panoptic_train.json").unlink()
    assert isinstance(CocoSource(str(out), "train").open(), CocoInstances)
    code, said = check(out, capsys)
    assert code == 1
    assert "  images    7" in said
    assert "problems: 1" in said
    assert "annotation id 99 of train_003.png covers no pixel" in said


def test_further_files_go_with_shards(folder: Path, shards: Path, tmp_path: Path) -> None:
    images = [{"id": 100 + i, "file_name": "x", "coco_url": f"x/train_{i:03d}.png"} for i in range(7)]
    objects = [annotation(i, 100 + i, [rectangle(3, 4, 12, 15)], sentences=sentences("far left")) for i in range(7)]
    more = tmp_path / "more.json"
    more.write_text(json.dumps({"images": images, "annotations": objects}))
    (tmp_path / "some.json").write_text(json.dumps({"images": [{"id": 102}]}))
    settings: dict[str, Any] = {"grounding": str(more), "lvis": str(more), "exclude": (str(tmp_path / "some.json"),)}
    plain, packed = (CocoPanopticSource(str(root), "train", **settings).open() for root in (folder, shards))
    assert_same(plain, packed)
    assert packed.shards.tolist() == [0, 0, 1, 1, 1, 2]
    assert plain.shards is None
    assert "far left" in {phrase.text for phrase in packed[0][1].phrases}


def test_mixed_with_a_plain_folder(folder: Path, shards: Path) -> None:
    sources = [CocoSource(str(folder), "train"), CocoSource(str(shards), "train")]
    data = CocoDataModule(str(shards), sources=sources, batch_size=2)
    names = [target.name for batch in data.train_dataloader() for target in batch.targets]
    assert sorted(names) == sorted([f"train_{index:03d}.png" for index in range(7)] * 2)
    assert sum(len(batch.images) for batch in data.val_dataloader()) == 3


def test_check_says_the_same(folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = check(shards, capsys)
    assert code == 0
    assert (code, said) == check(folder, capsys)


def test_a_damaged_image_is_told_by_shard_and_member(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, png = folder / "train/train_001.png", folder / "annotations/panoptic_train/train_004.png"
    image.write_bytes(image.read_bytes()[:50])
    png.write_bytes(b"no image")
    code, said = check(shard(folder, tmp_path / "out"), capsys)
    assert code == 1
    assert f"{tmp_path}/out/shards/train-000000.tar:train_001.png: cannot be read as an image (" in said
    assert "train-000001.tar:train_004.panoptic.png: cannot be read as an image (unknown format); replace" in said


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda out: truncate(out / "shards/train-000001.tar"), r"train-000001\.tar: has \d+ bytes, but train\.json says"),
    (
        lambda out: (out / "shards/train-000002.tar").unlink(),
        r"train-000002\.tar: no such shard, but train\.json lists",
    ),
    (lambda out: truncate(out / "shards/train.json"), r"shards/train\.json: is not valid JSON"),
    (lambda out: edit(out / "shards/train.json", lambda c: c.pop("files")), r"shards/train\.json: has no 'files'"),
    (
        lambda out: edit(out / "shards/train.json", lambda c: c["files"].pop("train_003.panoptic.png")),
        r"shards:train_003\.panoptic\.png: no such file, but .*panoptic_train\.json lists it; run seemkit data shard",
    ),
    *(
        (
            lambda out, place=place: edit(out / "shards/train.json", lambda c: c["files"].update({"a.png": place})),
            r"train\.json: files: a\.png: is not a \[shard, offset, size\]",
        )
        for place in ([3, 0, 1], [0, 0, 10**9], [0, -1, 1], [0, 600, -1], [0, 1], 5, [0, 0, "1"])
    ),
    (lambda out: (out / "shards/train.json").unlink(), r"/train: no such folder"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_damaged_shards_are_found_at_once(shards: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(shards)
    with pytest.raises(InputError, match=message):
        CocoPanoptic(shards, "train")


def test_the_advice_for_a_short_shard(shards: Path) -> None:
    dataset = CocoPanoptic(shards, "train")
    os.truncate(shards / "shards/train-000001.tar", 600)
    advice = "copy .*shards of coco again, or remove it and run seemkit data shard again"
    with pytest.raises(InputError, match=rf"train-000001\.tar: ends before byte \d+; {advice}"):
        dataset[3]
    with pytest.raises(InputError, match=rf"train-000001\.tar: has 600 bytes, but train\.json says \d+; {advice}"):
        CocoPanoptic(shards, "train")
    (shards / "shards/train-000002.tar").unlink()
    with pytest.raises(InputError, match=r"train-000002\.tar: no such file"):
        dataset[6]


def test_reading_needs_a_system_that_can(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread")
    with pytest.raises(InputError, match="Linux and macOS only"):
        CocoPanoptic(shards, "train")
