"""Compiled parts train like the others, and are not compiled again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import nn

from seemkit.data import CocoDataModule
from seemkit.data.scenes import write_scenes
from seemkit.training.config import Optimization, Sampling, compile_parts
from seemkit.training.module import SeemModule
from tests.networks import TINY, build, picture

EPOCHS = 4


class Graphs:
    """A backend of `torch.compile` that runs each graph as it is, and counts them."""

    count = 0

    def __call__(self, graph: torch.fx.GraphModule, _: object) -> Any:
        self.count += 1
        return graph.forward


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graphs]:
    counter = Graphs()
    compile_module = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, **options: compile_module(self, backend=counter, **options))
    torch._dynamo.reset()
    yield counter
    torch._dynamo.reset()


class CountEachEpoch(Callback):
    """Notes how many graphs there are after each epoch."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs
        self.found: list[int] = []

    def on_train_epoch_end(self, *_: object) -> None:
        self.found.append(self.graphs.count)


def fit(scenes: Path, folder: Path, *callbacks: Callback, compiled: bool) -> list[torch.Tensor]:
    """Return the losses of a run over scenes of one size, with clicks, phrases, and batches of two sizes."""
    losses: list[torch.Tensor] = []

    class Losses(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
            losses.append(trainer.callback_metrics["train/loss"].clone())

    module = SeemModule(TINY, Optimization(frozen=("language",), compile=compiled), Sampling(rounds=2), seed=1)
    trainer = Trainer(
        default_root_dir=folder, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, limit_val_batches=0,
        max_epochs=EPOCHS, callbacks=[Losses(), *callbacks],
    )  # fmt: skip
    trainer.fit(module, datamodule=CocoDataModule(str(scenes), batch_size=3))
    return losses


@pytest.mark.slow
def test_after_the_first_epoch_nothing_is_compiled(graphs: Graphs, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "scenes", {"train": 17, "val": 1}, size=64)
    watched = CountEachEpoch(graphs)
    found = fit(scenes, tmp_path, watched, compiled=True)
    assert 0 < watched.found[0] <= 12
    assert watched.found == watched.found[:1] * EPOCHS
    torch.testing.assert_close(torch.stack(found[:6]), torch.stack(fit(scenes, tmp_path, compiled=False)[:6]))


@pytest.mark.slow
def test_losses_and_gradients_are_those_of_the_parts_as_they_are() -> None:
    results = []
    for compiled in (False, True):
        network = build(TINY).train()
        if compiled:
            compile_parts(network)
        context = network.encode_image([picture(64, 96)])
        decoded = network.decode(context, objects=True, every_layer=True)
        loss = torch.stack([layer["object_query"].masks.square().mean() for layer in decoded.layers]).sum()
        loss.backward()
        gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in network.named_parameters()}
        results.append({"loss": loss.detach(), **gradients})
    wanted, found = results
    for name, value in found.items():
        assert (value - wanted[name]).norm() <= 1e-4 * wanted[name].norm() + 1e-7, name
