"""What `SeemModule` does around its steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging

from seemkit.data import CocoDataModule
from seemkit.data.scenes import write_scenes
from seemkit.training.config import Optimization, Sampling
from seemkit.training.module import SeemModule
from tests.networks import TINY


class Vectors(Callback):
    """Compares the class vectors that an evaluation would use with those of the weights at that time."""

    def __init__(self) -> None:
        self.found: list[torch.Tensor] = []

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: SeemModule) -> None:
        self.note(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: SeemModule) -> None:
        self.note(pl_module)

    @torch.no_grad()
    def note(self, module: SeemModule) -> None:
        kept = module.network.embed_vocabulary(module.vocabulary)
        module.network.language.forget_classes()
        torch.testing.assert_close(kept, module.network.embed_vocabulary(module.vocabulary), rtol=0, atol=0)
        self.found.append(kept)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 4, "val": 2}, size=64)


def test_class_vectors_follow_averaged_weights(scenes: Path, tmp_path: Path) -> None:
    """Averaging changes weights in place, before and after each validation."""
    module = SeemModule(TINY, Optimization(frozen=(), learning_rate=1e-2), Sampling(rounds=0))
    watched = Vectors()
    trainer = Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        max_steps=4,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=[EMAWeightAveraging(decay=0.5), watched],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, datamodule=CocoDataModule(str(scenes), batch_size=2))
    assert len(watched.found) == 4
    averaged, own = watched.found[:2]
    assert not torch.equal(averaged, own)
