"""The host waits for the device a few times in a step, however much there is to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from seemkit.data import CocoDataModule
from seemkit.data.scenes import write_scenes
from seemkit.interactive.rollout import Rollout
from seemkit.interactive.user import SimulatedUser
from seemkit.losses.alignment import RegionAlignment
from seemkit.losses.weights import LossWeights
from seemkit.model.seem import SEEM
from seemkit.prompts.values import Point
from seemkit.training.config import Alignment, Sampling
from seemkit.training.objective import Objective
from seemkit.types import Batch
from tests.networks import TINY
from tests.waits import Away, Waits, move

REFINED = replace(TINY, click_field=16, mask_refiner=4, region_head=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CocoDataModule:
    folder: Path = write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 6, "val": 1}, size=64)
    return CocoDataModule(str(folder), batch_size=3)


def objective(data: CocoDataModule, sampling: Sampling, layers: int) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SEEM(replace(REFINED, decoder_layers=layers), data.vocabulary)
        aligner = RegionAlignment(network.architecture.embed_dim, len(data.vocabulary))
    network.train()
    return Objective(network, data.vocabulary, sampling, LossWeights(points=64, label=0.5), Alignment(1.0), aligner)


def step(measure: Objective, batch: Batch) -> torch.Tensor:
    shared, *generators = (torch.Generator().manual_seed(seed) for seed in range(1 + len(batch)))
    terms = measure(batch, shared, generators)
    loss = torch.stack([term.mean for term in terms.values()]).sum()
    loss.backward()
    return loss.detach()


def count(measure: Objective, batch: Batch) -> tuple[Waits, float]:
    with Waits() as waits:
        move(measure.network)
        move(measure.aligner)
        loss = step(measure, Batch([Away(image) for image in batch.images], batch.targets))
    return waits, float(loss.held)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[Rollout]:
    """The rounds that are played, in order."""
    played: list[Rollout] = []
    correct = Rollout.correct
    monkeypatch.setattr(Rollout, "correct", lambda self, *given: (played.append(self), correct(self, *given)))
    return played


@pytest.mark.parametrize("clicks", ["pixels", "cells"])
def test_waits_do_not_grow_with_objects_layers_or_images(
    data: CocoDataModule, rounds: list[Rollout], clicks: Literal["pixels", "cells"]
) -> None:
    batch = next(iter(data.train_dataloader()))
    found = []
    for objects, phrases, layers, images in ((1, 1, 2, 1), (8, 6, 4, 3)):
        sampling = Sampling(objects=objects, phrases=phrases, rounds=9, clicks=clicks, stuff=True, referred=0.5)
        part = Batch(batch.images[:images], batch.targets[:images])
        wanted = float(step(objective(data, sampling, layers), part))
        rounds.clear()
        waits, loss = count(objective(data, sampling, layers), part)
        assert loss == pytest.approx(wanted, rel=1e-5)
        assert len(rounds) > 1
        assert waits.count == 2 + len(rounds), waits.places  # the costs of objects and of phrases, and the clicks
        found.append(waits.places)
    assert found[0] == found[1]


@pytest.mark.parametrize("clicks", ["pixels", "cells"])
def test_nobody_clicks_on_ignored_pixels(
    data: CocoDataModule, rounds: list[Rollout], clicks: Literal["pixels", "cells"]
) -> None:
    batch = next(iter(data.train_dataloader()))
    for target in batch.targets:
        target.ignored = torch.ones(tuple(target.size), dtype=torch.bool)
        target.ignored[:, :22] = False
    user = SimulatedUser(kinds={"circle": 1})  # so that every point is a correction
    step(objective(data, Sampling(objects=8, rounds=9, clicks=clicks, stuff=True, user=user), 2), batch)
    clicks = [p for image in rounds[-1].prompts for given in image for p in given if isinstance(p, Point)]
    assert len(clicks) > 5
    assert all(point.x < 22 for point in clicks)


def test_the_gradients_are_those_of_the_host(data: CocoDataModule) -> None:
    batch = next(iter(data.train_dataloader()))
    here, there = (objective(data, Sampling(objects=4, rounds=2), 2) for _ in range(2))
    step(here, batch)
    count(there, batch)
    for (name, own), other in zip(here.network.named_parameters(), there.network.parameters(), strict=True):
        assert (own.grad is None) == (other.grad is None), name
        if own.grad is not None:
            torch.testing.assert_close(other.grad.held, own.grad, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("a number", lambda x: float(x.sum())),
        ("a copy", lambda x: x.cpu()),
        ("a list", lambda x: x.tolist()),
        ("an array", lambda x: x.cpu().numpy()),
        ("a bool index", lambda x: x[x > 0]),
        ("nonzero", lambda x: x.nonzero()),
        ("a branch", lambda x: bool((x > 0).all())),
    ],
)
def test_what_counts_as_a_wait(name: str, do) -> None:
    with Waits() as waits:
        tensor = Away(torch.tensor([1.0, -1.0]))
        assert (tensor * 2 + torch.ones(2, device=tensor.device)).held.tolist() == [3.0, -1.0]
        assert waits.count == 0
        do(tensor)
    assert waits.count == 1, name


def test_host_and_device_do_not_mix() -> None:
    with Waits(), pytest.raises(AssertionError, match="meets tensors on the device"):
        Away(torch.ones(2)) + torch.ones(2)
