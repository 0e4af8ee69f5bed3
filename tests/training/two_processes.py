"""Six training steps over four images each, shared by any number of processes; test_processes.py starts it.

Usage: two_processes.py OUT STRATEGY, under torchrun or alone. The learning rate is 0: every step sees the first
weights. Each process leaves the gradients and the loss of each step in OUT/<world>-<strategy>-<rank>.pt.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader

from seemkit.data.loading.loader import collate
from seemkit.data.loading.samplers import SeededSampler, rank_and_world
from seemkit.losses.weights import LossWeights
from seemkit.training.config import Alignment, Optimization, Sampling
from seemkit.training.module import SeemModule
from seemkit.types import Phrase, Target, Vocabulary
from tests.networks import TINY, picture

IMAGES = 4
EVERYTHING, NO_PHRASES, NO_THINGS, EMPTY = range(4)
STEPS = {
    "all images have everything": [EVERYTHING] * IMAGES,
    "one process has no phrases": [NO_PHRASES, EVERYTHING] * 2,
    "one process has nothing to click": [EVERYTHING, NO_THINGS] * 2,
    "one process has empty images": [EMPTY, EVERYTHING] * 2,
    "one image has everything": [EVERYTHING, EMPTY, EMPTY, EMPTY],
    "all images are empty": [EMPTY] * IMAGES,
}
VOCABULARY = Vocabulary(("sky", "grass", "star"), (False, False, True))


def sample(content: int, seed: int) -> tuple[Tensor, Target]:
    """An image with up to three segments and three phrases."""
    masks = torch.zeros(3, 64, 96, dtype=torch.bool)
    masks[0, :30], masks[1, 30:], masks[2, 10 + seed : 34, 20 : 50 + seed] = True, True, True
    rows = {EVERYTHING: [0, 1, 2], NO_PHRASES: [0, 1, 2], NO_THINGS: [0, 1], EMPTY: []}[content]
    phrases = (Phrase("the sky", 0), Phrase("green grass", 1), Phrase("the star", 2)) if content == EVERYTHING else ()
    target = Target(
        masks[rows], torch.tensor(rows, dtype=torch.int64), torch.zeros(len(rows), dtype=torch.bool), phrases
    )
    return picture(64, 96, seed), target


class Lessons(lightning.LightningDataModule):
    """The images of all steps in order."""

    vocabulary = VOCABULARY

    def train_dataloader(self) -> DataLoader[Any]:
        samples = [sample(kind, seed) for seed, kind in enumerate(kind for step in STEPS.values() for kind in step)]
        rank, world = rank_and_world()
        sampler = SeededSampler(len(samples), 0, False, rank, world)
        by_key = dict(enumerate(samples))
        keys = [key.position for key in sampler]
        return DataLoader(keys, IMAGES // world, collate_fn=lambda keys: collate([by_key[key] for key in keys]))


class Gradients(lightning.Callback):
    """Keeps what the optimizer is given."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []

    def on_before_optimizer_step(self, trainer: lightning.Trainer, module: Any, *_: Any) -> None:
        found = {name: _whole(p) for name, p in module.named_parameters() if p.requires_grad}
        self.steps.append(found | {"loss": trainer.callback_metrics["train/loss"].clone()})


def _whole(parameter: Tensor) -> Tensor:
    """The gradient, gathered where it is sharded; zeros where there is none, as in one process without a group."""
    gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    return gradient.full_tensor() if isinstance(gradient, DTensor) else gradient.detach().clone()


def module() -> SeemModule:
    architecture = replace(TINY, click_field=16, values_carry_position=True, region_head=True)
    return SeemModule(
        architecture,
        Optimization(learning_rate=0.0, frozen=("backbone",)),
        Sampling(rounds=2, name_classes=False),
        LossWeights(points=64, label=0.5),
        Alignment(weight=1.0),
    )


def main(out: Path, strategy: str) -> None:
    gradients, world = Gradients(), int(os.environ.get("WORLD_SIZE", "1"))
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=world,
        strategy=ModelParallelStrategy(data_parallel_size=world, tensor_parallel_size=1)
        if strategy == "fsdp"
        else strategy,
        max_epochs=1,
        callbacks=[gradients],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module(), datamodule=Lessons())
    torch.save(gradients.steps, out / f"{trainer.world_size}-{strategy}-{trainer.global_rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
