from __future__ import annotations

from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import Tensor

from seemkit.data.datamodules import scenes as scenes_module
from seemkit.data.datamodules.coco import CocoDataModule
from seemkit.data.datamodules.scenes import ScenesDataModule
from seemkit.data.loading.loader import ResumableLoader
from seemkit.errors import InputError
from seemkit.types import Batch, Vocabulary

Seen = list[tuple[int, int, list[tuple[str, int]]]]


class Recorder(LightningModule):
    """Learns nothing and notes epoch, step, and name and fingerprint of every image that it trains on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: Seen = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        prints = [
            (target.name, int((image[..., :5].long() * torch.arange(5)).sum()))
            for image, target in zip(batch.images, batch.targets, strict=True)
        ]
        self.seen.append((self.current_epoch, batch_idx, prints))
        return self.weight * 0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(folder: Path, out: Path, workers: int, checkpoint: Path | None = None, **settings: Any) -> Seen:
    """What a run of 3 epochs of 4 batches sees; it saves a checkpoint after every step or as `save` says."""
    module = Recorder()
    saver = ModelCheckpoint(out, "{step}", save_top_k=-1, **settings.pop("save", {"every_n_train_steps": 1}))
    trainer = Trainer(
        max_epochs=settings.pop("max_epochs", 3), accelerator="cpu", devices=1, logger=False, callbacks=[saver],
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, **settings,
    )  # fmt: skip
    data = CocoDataModule(str(folder), batch_size=2, num_workers=workers, seed=5)
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=False)
    return module.seen


@pytest.mark.parametrize(
    ("workers", "steps", "settings"),
    [
        (0, range(1, 12), {}),
        (1, (2, 6, 8), {}),
        (0, (1, 2, 5), {"limit_train_batches": 3}),
        (0, (1, 2, 3, 6, 8), {"val_check_interval": 2}),
        (0, (1, 4, 7), {"limit_val_batches": 0, "reload_dataloaders_every_n_epochs": 1}),
    ],
)
def test_resumed_run_sees_what_an_uninterrupted_run_sees(
    folder: Path, tmp_path: Path, workers: int, steps: range | tuple[int, ...], settings: dict[str, Any]
) -> None:
    whole = train(folder, tmp_path / "whole", workers, **settings)
    assert len({name for _, _, prints in whole for name, _ in prints}) == 7
    for step in steps:
        resumed = train(folder, tmp_path / "resumed", workers, tmp_path / "whole" / f"step={step}.ckpt", **settings)
        assert resumed == whole[step:], f"resumed after step {step}"


@pytest.mark.parametrize("at_train_end", [True, False])
@pytest.mark.parametrize("limit", [3, 4])
def test_resume_at_the_end_of_an_epoch(folder: Path, tmp_path: Path, at_train_end: bool, limit: int) -> None:
    save = {"every_n_epochs": 1, "save_on_train_epoch_end": at_train_end}
    whole = train(folder, tmp_path / "whole", 0, save=save, limit_train_batches=limit)
    for step in (limit, 2 * limit):
        start = tmp_path / "whole" / f"step={step}.ckpt"
        assert train(folder, tmp_path / "resumed", 0, start, limit_train_batches=limit) == whole[step:]


def test_run_stopped_in_the_middle(folder: Path, tmp_path: Path) -> None:
    whole = train(folder, tmp_path / "whole", 0)
    begun = train(folder, tmp_path / "begun", 0, max_steps=6)
    resumed = train(folder, tmp_path / "resumed", 0, tmp_path / "begun" / "step=6.ckpt")
    assert begun + resumed == whole


def test_epoch_visits_each_image_once_in_a_new_order(folder: Path, tmp_path: Path) -> None:
    seen = train(folder, tmp_path / "run", 0)
    epochs = [[name for e, _, prints in seen if e == epoch for name, _ in prints] for epoch in range(3)]
    assert all(sorted(names) == [f"train_{i:03d}.png" for i in range(7)] for names in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_workers_do_not_change_the_samples(folder: Path, tmp_path: Path) -> None:
    assert train(folder, tmp_path / "a", 0, max_epochs=2) == train(folder, tmp_path / "b", 2, max_epochs=2)


def loader_of(folder: Path, **settings: Any) -> ResumableLoader:
    return CocoDataModule(str(folder), batch_size=2, **settings).train_dataloader()


def names(batches: Any) -> list[list[str]]:
    return [[target.name for target in batch.targets] for batch in batches]


@pytest.mark.parametrize("workers", [0, 1])
def test_loader_counts_what_it_handed_out(folder: Path, workers: int) -> None:
    loader = loader_of(folder, num_workers=workers)
    whole = names(loader)
    assert len(whole) == len(loader) == 4
    assert loader.state_dict() == {"epoch": 0, "batches": 4, "length": 4}
    iterator = iter(loader)
    names(islice(iterator, 1))
    assert loader.state_dict() == {"epoch": 0, "batches": 1, "length": 4}
    other = loader_of(folder, num_workers=workers)
    other.load_state_dict(loader.state_dict())
    assert other.state_dict() == loader.state_dict()
    assert names(other) == whole[1:]
    assert names(other) == whole


def test_loaded_position_holds_for_its_epoch_only(folder: Path) -> None:
    loader, other = loader_of(folder), loader_of(folder)
    other.load_state_dict({"epoch": 1, "batches": 3, "length": 4})
    for each in (loader, other):
        each.sampler.set_epoch(2)
    assert names(other) == names(loader)


def test_position_of_other_data_is_refused(folder: Path) -> None:
    loader = loader_of(folder)
    loader.load_state_dict({"epoch": 1, "batches": 3, "length": 9})
    with pytest.raises(InputError, match=r"^checkpoint: stopped in an epoch of 9 batches, which now has 4"):
        next(iter(loader))


def test_evaluation_keeps_targets_and_order(folder: Path) -> None:
    data = CocoDataModule(str(folder), batch_size=2, short_side=64)
    for loader, split, count in (
        (data.val_dataloader(), "val", 3),
        (data.test_dataloader(), "test", 2),
        (data.predict_dataloader(), "test", 2),
    ):
        batches = list(loader)
        assert [name for batch in names(batches) for name in batch] == [f"{split}_{i:03d}.png" for i in range(count)]
        assert batches[0].images[0].shape == (3, 64, 77)
        assert batches[0].targets[0].size == (40, 48)


def test_training_resizes_image_and_target(folder: Path) -> None:
    batch = next(iter(loader_of(folder, short_side=60, long_side=66)))
    assert batch.images[0].shape == (3, 55, 66)
    assert batch.targets[0].size == (55, 66)


def test_predict_images(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.jpg"
    Image.new("L", (50, 70)).save(path)
    data = CocoDataModule(str(folder), predict_images=[str(path)])
    (batch,) = data.predict_dataloader()
    assert batch.images[0].shape == (3, 70, 50)
    assert batch.targets[0].masks.shape == (0, 70, 50)
    assert batch.targets[0].name == str(path)
    data.predict_images = [str(tmp_path / "none.jpg")]
    with pytest.raises(InputError, match=r"^predict_images: .*none\.jpg is no file and no folder"):
        data.predict_dataloader()


@pytest.mark.parametrize("training", [True, False])
def test_in_training_targets_stay_on_the_host(folder: Path, training: bool) -> None:
    data = CocoDataModule(str(folder))
    data.trainer = SimpleNamespace(training=training)
    batch = data.transfer_batch_to_device(next(iter(data.val_dataloader())), torch.device("meta"), 0)
    assert {image.device.type for image in batch.images} == {"meta"}
    assert {target.masks.device.type for target in batch.targets} == {"cpu" if training else "meta"}


def test_predict_a_folder(folder: Path, tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg"):
        Image.new("L", (50, 70)).save(tmp_path / name)
    data = CocoDataModule(str(folder), predict_images=str(tmp_path))
    assert [target.name for batch in data.predict_dataloader() for target in batch.targets] == [
        str(tmp_path / "a.jpg"),
        str(tmp_path / "b.jpg"),
    ]


def test_lightning_predicts_and_tests(folder: Path) -> None:
    class Names(Recorder):
        def predict_step(self, batch: Batch, batch_idx: int) -> list[str]:
            return [target.name for target in batch.targets]

    trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_checkpointing=False)
    assert trainer.predict(Names(), CocoDataModule(str(folder))) == [["test_000.png", "test_001.png"]]


def test_lightning_overfits(folder: Path, tmp_path: Path) -> None:
    seen = train(folder, tmp_path, 0, overfit_batches=1, limit_val_batches=0)
    assert [[name for name, _ in prints] for _, _, prints in seen] == [["train_000.png", "train_001.png"]] * 3


def test_vocabulary(folder: Path) -> None:
    expected = Vocabulary(("grass", "star"), (False, True))
    assert CocoDataModule(str(folder)).vocabulary == expected
    assert CocoDataModule(str(folder), train_split="none").vocabulary == expected
    with pytest.raises(InputError, match="no such folder"):
        _ = CocoDataModule(str(folder / "none")).vocabulary


def test_splits_must_share_the_vocabulary(folder: Path) -> None:
    path = folder / "annotations" / "panoptic_val.json"
    path.write_text(path.read_text().replace("grass", "water"))
    data = CocoDataModule(str(folder))
    data.train_dataloader()
    with pytest.raises(InputError, match=r"panoptic_val\.json: 'categories' differ from those in .*panoptic_train"):
        data.val_dataloader()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"long_side": 100}, "long_side"),
        ({"flip": -0.1}, "flip"),
        ({"short_side": 0}, "short_side"),
    ],
)
def test_bad_settings(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=f"^{field}: "):
        CocoDataModule("anywhere", **settings)


def test_scenes_are_written_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(scenes_module, "write_scenes", lambda *args, **settings: calls.append((args, settings)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ScenesDataModule(images_train=9, seed=3).prepare_data()
    ScenesDataModule(root=str(tmp_path / "mine")).prepare_data()
    assert calls == [
        ((tmp_path / "seemkit/scenes-9-64-200-3", {"train": 9, "val": 64, "test": 200}), {"seed": 3}),
        ((tmp_path / "mine", {"train": 4000, "val": 64, "test": 200}), {"seed": 0}),
    ]
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert ScenesDataModule().root == tmp_path / "home/.cache/seemkit/scenes-4000-64-200-0"
