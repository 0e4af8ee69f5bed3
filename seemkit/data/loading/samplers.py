"""Which sample comes when, as a function of seed, epoch and rank alone."""

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
    """What a sampler asks a dataset for: sample `position` as it is in epoch `epoch`."""

    position: int
    epoch: int

    @classmethod
    def of(cls, key: int | SampleKey) -> Self:
        """The key itself; a plain int means epoch 0."""
        return cls(*key) if isinstance(key, tuple) else cls(key, 0)


def generator_of(key: SampleKey, seed: int) -> torch.Generator:
    """The generator of all random choices for one sample in one epoch, the same in every process and worker."""
    return seeded(seed, key.epoch, key.position + 1)


def rank_and_world() -> tuple[int, int]:
    """Rank of this process and number of processes as torch.distributed knows them; (0, 1) where it is not in use."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class SeededSampler(DistributedSampler[SampleKey]):
    """The keys of one rank for training, in an order that depends on seed and epoch only.

    All ranks get the same number of samples: the tail of the order that does not divide by `world` is left out in this
    epoch. It is a `DistributedSampler` by type, so that Lightning leaves it in place.

    Attributes:
        start: how many samples the next iteration leaves out at its beginning (`ResumableLoader` sets it).
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
            dataset_len: number of samples of an epoch.
            seed: of the order.
            shuffle: False takes the samples as they come.
            rank: of this process.
            world: number of processes.
            order: gives the positions of an epoch in place of a permutation of all.
            arrange: reorders the positions of this rank.

        Raises:
            InputError: if there are fewer samples than ranks, or the seed is negative.
        """
        if dataset_len < world:
            raise InputError(f"train_split: has {dataset_len} images for {world} processes; use fewer processes")
        if seed < 0:
            raise InputError(f"seed: is {seed}; use 0 or more")
        # torch asks for a Dataset but only takes its length
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
    """Indices rank, rank + world, … : every sample once over all ranks, so the last ranks may have one fewer.

    It is a `DistributedSampler` by type, so that Lightning does not put its own in place, which repeats samples.
    """

    def __init__(self, dataset_len: int, rank: int = 0, world: int = 1) -> None:
        """Share `dataset_len` samples among `world` ranks."""
        super().__init__(range(dataset_len), world, rank, shuffle=False)  # type: ignore[arg-type]  # see above
        self.indices = range(rank, dataset_len, world)

    def __iter__(self) -> Iterator[SampleKey]:
        return (SampleKey(index, 0) for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)


class SequenceSampler(DistributedSampler[SampleKey]):
    """Indices of one rank, which gets whole sequences, such as videos, and visits their samples in order.

    Each sequence is of one rank. The longest goes first, always to the rank that has the fewest samples by then; with
    fewer sequences than ranks, some ranks have none. The result depends on the lengths alone. It is a
    `DistributedSampler` by type for the same reason as `EvaluationSampler`.
    """

    def __init__(self, lengths: Sequence[int], rank: int = 0, world: int = 1) -> None:
        """Share sequences, whose samples lie one behind the other, among `world` ranks.

        Args:
            lengths: samples of each sequence.
            rank: of this process.
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
    """The rank of each sequence."""
    loads, owners = [0] * world, [0] * len(lengths)
    for sequence in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        owners[sequence] = loads.index(min(loads))
        loads[owners[sequence]] += lengths[sequence]
    return owners
