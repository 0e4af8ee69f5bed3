from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from seemkit.cli.main import main
from seemkit.data.datamodules.refcoco import ReferringDataModule
from seemkit.errors import InputError
from tests.objects import annotation, instances, rectangle, ref, write_image

NAMES = [f"COCO_train2014_{100 + index:012d}.jpg" for index in range(2)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """RefCOCOg with one object in each of two images, the first with two sentences."""
    for name in NAMES:
        write_image(tmp_path / "images/mscoco/images/train2014" / name)
    annotations = [annotation(1, 100, [rectangle(0, 0, 20, 20)]), annotation(2, 101, [rectangle(5, 5, 30, 30)])]
    (tmp_path / "refcocog").mkdir()
    (tmp_path / "refcocog/instances.json").write_text(json.dumps(instances(NAMES, annotations)))
    refs = [ref(100, 1, "val", "the left star", "a star"), ref(101, 2, "val", "star")]
    (tmp_path / "refcocog/refs(umd).p").write_bytes(pickle.dumps(refs, protocol=2))
    return tmp_path


@pytest.mark.parametrize(("first", "sentences"), [(True, [1, 1]), (False, [2, 1])])
def test_sentences_of_each_image(root: Path, first: bool, sentences: list[int]) -> None:
    batches = list(ReferringDataModule(str(root), first_sentence=first).test_dataloader())
    assert [len(batch.targets[0].phrases) for batch in batches] == sentences


def test_files_are_read_late(tmp_path: Path) -> None:
    data = ReferringDataModule(str(tmp_path / "none"))
    with pytest.raises(InputError, match="none: no such folder"):
        data.test_dataloader()


def test_the_command(root: Path, tmp_path: Path) -> None:
    config = Path(__file__).parents[3] / "configs" / "referring.yaml"
    words = ["--config", str(config), "--data.root", str(root), "--data.num_workers", "0"]
    run = tmp_path / "run"
    assert main(["test", *words, "--trainer.default_root_dir", str(run), "--trainer.accelerator", "cpu"]) == 0
    results = json.loads((run / "metrics.json").read_text())
    assert {"referring_ciou", "referring_p50", "referring_scribble_ciou"} <= results.keys()
