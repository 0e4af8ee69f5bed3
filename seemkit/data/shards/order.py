"""The training order of a folder in shards: each process reads few of them at a time."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

WINDOW: Final = 8
"""Shards among whose samples the order is free. Neighbors in a folder are often alike (frames of a video, one class
behind the other); with shards of 500 images a batch is drawn from 4000, of eight places in the folder. A process keeps
as many files open, and that much should fit into the memory that a node has to spare for them: 8 x 80 MB for COCO."""


def sharded_order(shards: Tensor, world: int, generator: torch.Generator) -> Tensor:
    """Positions for an epoch, int64, laid out for a `SeededSampler`, whose rank r takes every `world`-th from r on.

    Shards come in random order, the samples of each in random order, and all of this is cut into one run a process. The
    runs are of one length; the tail that does not divide by `world` is left out in this epoch. Within a run the samples
    of each `WINDOW` shards are shuffled. So a process reads its share of the shards, of which it has the first and the
    last in common with others, and goes through them once, with `WINDOW` at a time.

    Args:
        shards: the shard of each sample, [N] int64, from 0.
        world: number of processes.
        generator: of the order; the same in all processes.
    """
    rank_of_shard = torch.randperm(int(shards.max()) + 1, generator=generator)
    when = rank_of_shard[shards]
    order = _shuffled_within(when, generator)
    runs = order[: len(order) // world * world].view(world, -1)
    for run in runs:
        window = (when[run] - when[run[0]]) // WINDOW
        run.copy_(run[_shuffled_within(window, generator)])
    return runs.T.flatten()


def _shuffled_within(groups: Tensor, generator: torch.Generator) -> Tensor:
    """The positions [N] of the groups in ascending order, those of one group in random order."""
    free = torch.randperm(len(groups), generator=generator)
    return free[groups[free].argsort(stable=True)]
