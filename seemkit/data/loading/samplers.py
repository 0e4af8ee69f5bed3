"""The order of samples, as a function of seed, epoch and rank only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, Self

import torch
from torch import Tensor, distributed
from torch.utils.data import DistributedSampler

from seemkit.errors import InputError
from seemkit.ops.generators import seeded


class SampleKey(NamedTuple):
    """The request of a sampler to a dataset: the sample at `position`, as in epoch `epoch`."""

    position: int
    epoch: int

    @classmethod
    def of(cls, key: int | SampleKey) -> Self:
        """Return `key` as a `SampleKey`; a plain int means epoch 0."""
        return cls(*key) if isinstance(key, tuple) else cls(key, 0)


def generator_of(key: SampleKey, seed: int) -> torch.Generator:
    """Return the generator of all random choices for one sample in one epoch; it is the same in all processes."""
    return seeded(seed, key.epoch, key.position + 1)


def rank_and_world() -> tuple[int, int]:
    """Return the rank of this process and the number of processes; (0, 1) if torch.distributed is not in use."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class SeededSampler(DistributedSampler[SampleKey]):
    """The keys of one rank for training, in an order that depends on seed and epoch only.

    All ranks get the same number of samples; the remainder that does not divide by `world` is skipped in this epoch.
    The class is a `DistributedSampler`, so Lightning does not replace it.

    Attributes:
        start: number of samples to skip at the start of an iteration (`ResumableLoader` sets it).
    """

    def __init__(
        self,
        dataset_len: int,
        seed: int,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
        *,
        order: Callable[[torch.Generator], Tensor] | None = None,
        arrange: Callable[[list[int]], list[int]] | None = None,
    ) -> None:
        """Share `dataset_len` samples among `world` ranks.

        Args:
            dataset_len: number of samples in an epoch.
            seed: seed of the order.
            shuffle: whether to shuffle; False keeps the order of the dataset.
            rank: rank of this process.
            world: number of processes.
            order: returns the positions of an epoch; None means a random permutation of all.
            arrange: reorders the positions of this rank.

        Raises:
            InputError: the number of samples is less than the number of ranks, or the seed is negative.
        """
        if dataset_len < world:
            raise InputError(f"train_split: has {dataset_len} images for {world} processes; use fewer processes")
        if seed < 0:
            raise InputError(f"seed: is {seed}; use 0 or more")
        # torch asks for a Dataset but uses only its length
        super().__init__(range(dataset_len), world, rank, shuffle, seed, drop_last=True)  # type: ignore[arg-type]
        self.dataset_len = dataset_len
        self.order, self.arrange = order, arrange
        self.start = 0

    def __iter__(self) -> Iterator[SampleKey]:
        total = self.dataset_len
        generator = seeded(self.seed, self.epoch)
        order: Tensor | range = range(total)
        if self.shuffle:
            order = torch.randperm(total, generator=generator) if self.order is None else self.order(generator)
        mine = [int(index) for index in order[self.rank :: self.num_replicas]][: self.num_samples]
        if self.arrange is not None:
            mine = self.arrange(mine)
        return (SampleKey(index, self.epoch) for index in mine[self.start :])


class EvaluationSampler(DistributedSampler[SampleKey]):
    """Every `world`-th of some positions: each once over all ranks, so the last ranks can have one sample fewer.

    The class is a `DistributedSampler`, so Lightning does not replace it with its own sampler, which repeats samples.
    """

    def __init__(self, positions: Sequence[int], rank: int = 0, world: int = 1) -> None:
        """Share the samples at `positions` of a dataset among `world` ranks."""
        super().__init__(positions, world, rank, shuffle=False)  # type: ignore[arg-type]  # see above
        self.indices = positions[rank::world]

    def __iter__(self) -> Iterator[SampleKey]:
        return (SampleKey(index, 0) for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)


class SequenceSampler(DistributedSampler[SampleKey]):
    """Indices of one rank, which gets whole sequences, such as videos, and visits their samples in order.

    Sequences are assigned from longest to shortest, each to the rank with the fewest samples so far. With fewer
    sequences than ranks, some ranks get none. The result depends on the lengths only. The class is a
    `DistributedSampler` for the same reason as `EvaluationSampler`.
    """

    def __init__(self, lengths: Sequence[int], rank: int = 0, world: int = 1) -> None:
        """Share consecutive sequences among `world` ranks.

        Args:
            lengths: number of samples in each sequence, in the order of the dataset.
            rank: rank of this process.
            world: number of processes.
        """
        super().__init__(range(sum(lengths)), world, rank, shuffle=False)  # type: ignore[arg-type]  # see above
        ends = list(accumulate(lengths))
        mine = (sequence for sequence, owner in enumerate(_owners(lengths, world)) if owner == rank)
        self.indices = [
            index for sequence in mine for index in range(ends[sequence] - lengths[sequence], ends[sequence])
        ]

    def __iter__(self) -> Iterator[SampleKey]:
        return (SampleKey(index, 0) for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)


def _owners(lengths: Sequence[int], world: int) -> list[int]:
    """Return the rank of each sequence."""
    loads, owners = [0] * world, [0] * len(lengths)
    for sequence in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        owners[sequence] = loads.index(min(loads))
        loads[owners[sequence]] += lengths[sequence]
    return owners
