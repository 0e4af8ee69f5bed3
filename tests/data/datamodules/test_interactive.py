"""The data sets on which clicks are counted, through Lightning and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from seemkit.cli.main import main
from seemkit.data.datamodules.interactive import LAYOUTS, InteractiveDataModule
from seemkit.errors import InputError
from tests.data.interactive.folders import object_values, write_grabcut, write_sbd, write_voc_val
from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH

CONFIG = Path(__file__).parents[3] / "configs" / "interactive.yaml"


def run(folder: Path, *words: str) -> int:
    """The exit code of the shipped test, which writes into `folder`."""
    options = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.default_root_dir", str(folder)]
    return main(["test", "--config", str(CONFIG), *options, "--data.num_workers", "0", *words])


def write_discs(root: Path, count: int) -> Path:
    """A folder of GrabCut with red discs, which the shipped model can find; their outlines are not judged."""
    names = [f"{index}.jpg" for index in range(count)]
    write_grabcut(root, *names)
    generator = np.random.default_rng(0)
    for index, name in enumerate(names):
        left, top = 20 + 9 * index, 15
        image = Image.fromarray(generator.integers(90, 120, (110, 130, 3), dtype=np.uint8))
        mask = Image.new("L", image.size)
        ImageDraw.Draw(image).ellipse((left, top, left + 70, top + 70), fill=(220, 30, 30))
        ImageDraw.Draw(mask).ellipse((left - 2, top - 2, left + 72, top + 72), fill=128)
        ImageDraw.Draw(mask).ellipse((left + 2, top + 2, left + 68, top + 68), fill=255)
        image.save(root / "data_GT" / name)
        mask.save(root / "boundary_GT" / f"{index}.bmp")
    return root


def test_targets_keep_size_and_ignored_pixels(tmp_path: Path) -> None:
    root = write_grabcut(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    data = InteractiveDataModule("grabcut", str(root), batch_size=2, short_side=64, long_side=90)
    batches = [batch.to("cpu") for batch in data.test_dataloader()]
    assert [[target.name for target in batch.targets] for batch in batches] == [["a.jpg", "b.jpg"], ["c.jpg"]]
    assert batches[0].images[0].shape == (3, 60, 90)
    for batch in batches:
        for target in batch.targets:
            assert target.size == (HEIGHT, WIDTH)
            assert target.ignored is not None
            assert torch.equal(target.ignored, torch.from_numpy(object_values(rim=128) == 128))


def test_workers_read_the_same(tmp_path: Path) -> None:
    root = write_sbd(tmp_path, "1", "2")
    here, there = (
        list(InteractiveDataModule("sbd", str(root), num_workers=workers).test_dataloader()) for workers in (0, 1)
    )
    for mine, other in zip(here, there, strict=True):
        assert torch.equal(mine.images[0], other.images[0])
        assert torch.equal(mine.targets[0].masks, other.targets[0].masks)


def test_every_name_has_a_vocabulary_of_things() -> None:
    sizes = {name: len(InteractiveDataModule(name, "anywhere").vocabulary) for name in LAYOUTS}
    assert sizes == {"grabcut": 1, "berkeley": 1, "davis-frames": 1, "coco-mini": 1, "voc": 20, "sbd": 20}
    assert all(all(layout.vocabulary.things) for layout in LAYOUTS.values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "pascal"}, "name: is 'pascal'; use one of grabcut, berkeley, davis-frames, coco-mini, voc, sbd"),
        ({"objects_per_image": 0}, "objects_per_image: is 0"),
        ({"batch_size": 0}, "batch_size: is 0"),
        ({"long_side": 100}, "long_side: is set without short_side"),
    ],
)
def test_bad_settings(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as error:
        InteractiveDataModule(**{"name": "voc", "root": "anywhere", **settings})
    assert str(error.value).startswith(said)


def test_seemkit_counts_clicks_on_grabcut(tmp_path: Path) -> None:
    root = write_discs(tmp_path / "grabcut", 3)
    assert run(tmp_path / "run", "--data.name", "grabcut", "--data.root", str(root)) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["iou_1click"] > 0.8
    assert metrics["noc_80"] == 1
    assert metrics["nof_80"] == 0


def test_seemkit_counts_clicks_on_voc(tmp_path: Path) -> None:
    root = write_voc_val(tmp_path / "VOC2012")
    words = ["--data.name", "voc", "--data.root", str(root), "--data.batch_size", "2"]
    assert run(tmp_path / "run", *words) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 <= metrics["iou_1click"] <= 1
    assert 1 <= metrics["noc_90"] <= 20


def test_faults_are_one_line_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_discs(tmp_path / "grabcut", 2)
    (root / "boundary_GT" / "1.bmp").unlink()
    for words, said in (
        (["--data.root", str(root)], "data_GT/1.jpg: has no mask 1 in"),
        (["--data.name", "pascal"], "name: is 'pascal'; use one of grabcut"),
    ):
        assert run(tmp_path / "run", *words) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seemkit: ")]
        assert said in line
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert main(["fit", "--config", str(CONFIG), "--trainer.default_root_dir", str(tmp_path / "run")]) == 2
    assert "seemkit: data: InteractiveDataModule is for tests only; run seemkit test" in capsys.readouterr().err
