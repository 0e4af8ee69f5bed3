"""What `SeemModule` does around its steps."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging

from seemkit.cluster.csv_logger import CSVLogger
from seemkit.data import CocoDataModule
from seemkit.data.loading.object_crop import ObjectCrop
from seemkit.data.scenes import write_scenes
from seemkit.errors import InputError
from seemkit.losses.weights import GroupWeights, LossWeights
from seemkit.model.seem import SEEM
from seemkit.nn.backbones.backbone import Backbone
from seemkit.training.config import Alignment, Optimization, Sampling
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


def quiet_trainer(folder: Path, **options: Any) -> Trainer:
    """A trainer on the CPU that writes nothing."""
    return Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )


def test_class_vectors_follow_averaged_weights(scenes: Path, tmp_path: Path) -> None:
    """Averaging changes weights in place, before and after each validation."""
    module = SeemModule(TINY, Optimization(frozen=(), learning_rate=1e-2), Sampling(rounds=0))
    watched = Vectors()
    trainer = quiet_trainer(
        tmp_path,
        max_steps=4,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=[EMAWeightAveraging(decay=0.5), watched],
    )
    trainer.fit(module, datamodule=CocoDataModule(str(scenes), batch_size=2))
    assert len(watched.found) == 4
    averaged, own = watched.found[:2]
    assert not torch.equal(averaged, own)


def test_a_network_sees_images_as_large_as_it_has_learned_them(scenes: Path, tmp_path: Path) -> None:
    """If images were resized in training, the masks of their targets would not fit them."""
    weights = {}
    for side in (32, None, 96):
        module = SeemModule(replace(TINY, image_side=side), Optimization(frozen=()), Sampling(rounds=1), seed=3)
        trainer = quiet_trainer(tmp_path, max_steps=2, limit_val_batches=0)
        trainer.fit(module, datamodule=CocoDataModule(str(scenes), batch_size=2))
        weights[side] = torch.cat([value.flatten() for value in module.network.parameters()])
        assert module.network.architecture.image_side == {32: 64, None: None, 96: 96}[side]
    assert torch.equal(weights[32], weights[None])
    assert torch.equal(weights[96], weights[None])


def test_the_losses_decide_what_a_network_answers() -> None:
    off = GroupWeights(0.0, 0.0, 0.0)
    assert SeemModule(TINY).network.architecture.answers == ("visual", "text", "automatic", "region")
    module = SeemModule(TINY, sampling=Sampling(referred=0.0), loss_weights=LossWeights(objects=off, phrases=off))
    assert module.network.architecture.answers == ("visual",)
    assert module.sampling.phrases == 0


def test_pretrained_weights_of_the_backbone_are_only_a_start(tmp_path: Path) -> None:
    """They are in the network, and a saved network needs no file of them."""
    torch.manual_seed(1)
    body = Backbone(TINY.backbone, TINY.backbone_options, TINY.backbone_levels).body
    torch.save(body.state_dict(), tmp_path / "backbone.pth")
    module = SeemModule(replace(TINY, backbone_weights=str(tmp_path / "backbone.pth")))
    assert torch.equal(next(module.network.backbone.body.parameters()), next(body.parameters()))
    (tmp_path / "backbone.pth").unlink()
    module.network.save(tmp_path / "model")
    assert SEEM.from_pretrained(tmp_path / "model").architecture.backbone_weights is None


def test_the_backbone_of_a_shipped_model_or_of_a_run(tmp_path: Path) -> None:
    shipped = SEEM.from_pretrained("scenes-tiny")
    options = shipped.architecture.backbone_options
    small = replace(TINY, backbone="resnet", backbone_options=options, backbone_levels=(1, 2, 3, 4))
    module = SeemModule(replace(small, backbone_weights="scenes-tiny"))
    module.network.save(tmp_path / "run")
    again = SeemModule(replace(small, backbone_weights=str(tmp_path / "run" / "model.safetensors")), seed=1)
    for name, tensor in shipped.backbone.named_parameters():
        assert torch.equal(module.network.backbone.state_dict()[name], tensor)
        assert torch.equal(again.network.backbone.state_dict()[name], tensor)


def test_a_visual_network_with_a_refiner_learns(scenes: Path, tmp_path: Path) -> None:
    """Object queries take no part, refined masks have losses, and frozen modules inside a part stay as they are."""
    off = GroupWeights(0.0, 0.0, 0.0)
    module = SeemModule(
        replace(TINY, mask_refiner=8, click_field=16),
        Optimization(frozen=("language", "backbone.body.conv1"), learning_rate=1e-3),
        Sampling(rounds=1),
        LossWeights(objects=off, phrases=off, points=64),
    )
    before = {name: tensor.clone() for name, tensor in module.network.state_dict().items()}
    trainer = Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        max_steps=2,
        limit_val_batches=0,
        logger=CSVLogger(tmp_path, name="", version=""),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, CocoDataModule(str(scenes), batch_size=2, crop=ObjectCrop(64), copy_paste=0.5))
    changed = {name for name, tensor in module.network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith(("language.", "backbone.body.conv1.")) for name in changed)
    assert {"refiner.leave.weight", "refiner.guide.weight"} <= changed
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert float(rows[0]["train/object_dice"]) == 0
    assert float(rows[0]["train/refined_dice"]) > 0


def test_an_architecture_can_add_a_part_to_weights(tmp_path: Path) -> None:
    first = SeemModule(TINY, seed=1)
    first.network.save(tmp_path / "model")
    both = SeemModule(replace(TINY, mask_refiner=8), weights=str(tmp_path / "model"))
    assert both.network.refiner is not None
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(both.network.state_dict()[name], tensor)
    with pytest.raises(InputError, match=r"weights of another architecture; of another shape: .*queries"):
        SeemModule(replace(TINY, queries=11), weights=str(tmp_path / "model"))
    with pytest.raises(InputError, match="weights of another architecture; missing: decoder"):
        SeemModule(replace(TINY, decoder_layers=5), weights=str(tmp_path / "model"))


def test_the_guide_adds_the_region_head_that_it_trains(tmp_path: Path) -> None:
    first = SeemModule(TINY, seed=1)
    first.network.save(tmp_path / "model")
    guided = SeemModule(weights=str(tmp_path / "model"), alignment=Alignment(weight=1.0))
    assert guided.network.architecture.region_head
    kept = first.network.state_dict()
    added = {name: t for name, t in guided.network.state_dict().items() if name not in kept}
    assert added
    assert all(name.startswith("decoder.region_head.") for name in added)
    assert all(torch.equal(guided.network.state_dict()[name], tensor) for name, tensor in kept.items())
