from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import LightningModule, Trainer

from seemkit.data.datamodules.davis import DavisDataModule
from seemkit.errors import InputError
from seemkit.types import Batch, Vocabulary
from tests.data.davis.folders import HEIGHT, WIDTH, rectangles, write_davis_2017


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis_2017(tmp_path, {"b": [rectangles(1, 2)] * 3, "a": [rectangles(1)] * 4})


NAMES = [f"{name}/{frame:05d}.jpg" for name, count in (("b", 3), ("a", 4)) for frame in range(count)]


def names(module: DavisDataModule) -> list[str]:
    batches = list(module.test_dataloader())
    assert all(len(batch) <= 1 for batch in batches)
    return [target.name for batch in batches for target in batch.targets]


@pytest.mark.parametrize("workers", [0, 2])
def test_frames_come_one_by_one_in_order(root: Path, workers: int) -> None:
    assert names(DavisDataModule(str(root), num_workers=workers)) == NAMES


def test_processes_get_whole_sequences(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    for rank in range(3):
        monkeypatch.setattr("seemkit.data.datamodules.davis.rank_and_world", lambda rank=rank: (rank, 3))
        shares.append(names(DavisDataModule(str(root))))
    assert shares == [NAMES[3:], NAMES[:3], []]


def test_image_is_resized_and_target_is_not(root: Path) -> None:
    batch = next(iter(DavisDataModule(str(root), year=2016, short_side=54, long_side=70).test_dataloader()))
    assert batch.images[0].shape == (3, 50, 70)
    assert batch.targets[0].masks.shape == (1, HEIGHT, WIDTH)


def test_lightning_tests(root: Path) -> None:
    class Recorder(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.names: list[str] = []

        def test_step(self, batch: Batch, batch_idx: int) -> None:
            self.names += [target.name for target in batch.targets]

    module = Recorder()
    trainer = Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
    )  # fmt: skip
    data = DavisDataModule(str(root))
    trainer.test(module, data, verbose=False)
    assert module.names == NAMES
    assert data.vocabulary == Vocabulary(("object",), (True,))


def test_files_are_read_late(tmp_path: Path) -> None:
    data = DavisDataModule(str(tmp_path / "none"))
    with pytest.raises(InputError, match="none: no such folder"):
        data.test_dataloader()


@pytest.mark.parametrize(("settings", "field"), [({"long_side": 100}, "long_side"), ({"short_side": 0}, "short_side")])
def test_bad_settings(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=f"^{field}: "):
        DavisDataModule("anywhere", **settings)
