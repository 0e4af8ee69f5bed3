"""Which process reads which shards when."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seemkit.cli.main import main
from seemkit.data.datamodules import coco as datamodule
from seemkit.data.datamodules.coco import CocoDataModule
from seemkit.data.loading.loader import ResumableLoader
from seemkit.data.loading.samplers import SeededSampler
from seemkit.data.shards.order import WINDOW, sharded_order
from tests.builders import write_coco

WORLDS = (1, 2, 3, 4, 5, 7)


def runs(shards: torch.Tensor, world: int, epoch: int = 0, seed: int = 0) -> list[list[int]]:
    """The positions of each rank."""
    order = partial(sharded_order, shards, world)
    samplers = [SeededSampler(len(shards), seed, True, rank, world, order=order) for rank in range(world)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    assert {len(sampler) for sampler in samplers} == {len(shards) // world}
    return [[key.position for key in sampler] for sampler in samplers]


def sizes_to_shards(sizes: list[int]) -> torch.Tensor:
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40).filter(lambda sizes: sum(sizes) >= 8), st.sampled_from(WORLDS)
)
def test_ranks_share_without_repeats(sizes: list[int], world: int) -> None:
    shards = sizes_to_shards(sizes)
    found = runs(shards, world)
    assert {len(run) for run in found} == {len(shards) // world}
    union = [position for run in found for position in run]
    assert len(set(union)) == len(union)
    assert set(union) <= set(range(len(shards)))
    assert len(shards) - len(union) < world


@pytest.mark.parametrize("world", WORLDS)
def test_a_rank_reads_its_share_of_the_shards(world: int) -> None:
    for count in (world, 5 * world + 1, 100):
        for run in runs(sizes_to_shards([10] * count), world):
            touched = [position // 10 for position in run]
            assert len(set(touched)) <= count / world + 2
            # once the window has moved on, nobody comes back
            last_use = {shard: place for place, shard in enumerate(touched)}
            for place in range(len(touched)):
                assert len({shard for shard in touched[: place + 1] if last_use[shard] > place}) <= WINDOW


def test_order_depends_on_seed_and_epoch_only() -> None:
    shards = sizes_to_shards([5] * 30)
    first = runs(shards, 2)
    assert runs(shards, 2) == first
    assert runs(shards, 2, epoch=1) != first
    assert runs(shards, 2, seed=1) != first
    assert runs(shards, 2, epoch=1) == runs(shards, 2, epoch=1)


def test_every_image_is_left_out_in_some_epoch_only() -> None:
    shards = sizes_to_shards([3] * 3)
    left = [set(range(9)) - {p for run in runs(shards, 4, epoch) for p in run} for epoch in range(60)]
    assert {len(out) for out in left} == {1}
    assert set().union(*left) == set(range(9))


def test_samples_of_a_window_are_mixed() -> None:
    (run,) = runs(sizes_to_shards([100] * WINDOW), 1)
    assert len({position // 100 for position in run[:50]}) == WINDOW
    places = torch.tensor(run).argsort().float()
    assert abs(torch.corrcoef(torch.stack([places, torch.arange(len(run)).float()]))[0, 1]) < 0.15


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 images in shards of two."""
    root = tmp_path_factory.mktemp("data")
    write_coco(root / "coco", {"train": 23, "val": 1})
    assert main(["data", "shard", str(root / "coco"), str(root / "packed"), "--images", "2"]) == 0
    return root / "packed"


def loaders(packed: Path, world: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[ResumableLoader]:
    """The train loader of each rank."""
    for rank in range(world):
        monkeypatch.setattr(datamodule, "rank_and_world", lambda rank=rank: (rank, world))
        yield CocoDataModule(str(packed), batch_size=2, num_workers=workers, seed=3).train_dataloader()


def names(loader: ResumableLoader) -> list[list[str]]:
    return [[target.name for target in batch.targets] for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world", WORLDS)
def test_epochs_of_the_loaders(packed: Path, world: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = ([], [])
    for loader in loaders(packed, world, workers, monkeypatch):
        for epoch, found in enumerate(epochs):
            loader.sampler.set_epoch(epoch)
            found.append([name for batch in names(loader) for name in batch])
    for found in epochs:
        assert {len(run) for run in found} == {23 // world}
        union = [name for run in found for name in run]
        assert len(set(union)) == len(union) == 23 // world * world
        touched = [{int(name[6:9]) // 2 for name in run} for run in found]
        assert max(map(len, touched)) <= 12 / world + 2
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_rest_of_an_epoch(packed: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for loader, other in zip(
        loaders(packed, 2, workers, monkeypatch), loaders(packed, 2, workers, monkeypatch), strict=True
    ):
        loader.sampler.set_epoch(4)
        whole = names(loader)
        iterator = iter(loader)
        list(islice(iterator, 2))
        other.load_state_dict(loader.state_dict())
        assert names(other) == whole[2:]
