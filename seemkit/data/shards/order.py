"""Training order of a folder in shards: each process reads few shards at a time."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

WINDOW: Final = 8
"""Number of shards whose samples are shuffled together.

Neighbors in a folder are often alike, such as frames of a video or images of one class. With shards of 500 images, a
batch is drawn from 4000 images of eight places in the folder. A process keeps this many files open, and their content
should fit into the free memory of a node: 8 x 80 MB per process for COCO."""


def sharded_order(shards: Tensor, world: int, generator: torch.Generator) -> Tensor:
    """Return the positions of an epoch, int64, for a `SeededSampler`: rank r takes every `world`-th position from r on.

    The shards are in random order, and so are the samples of each shard. This sequence is cut into one part per
    process. All parts have the same length; the remainder is skipped in this epoch. Within a part, the samples of each
    `WINDOW` shards are shuffled. So a process reads each of its shards once, `WINDOW` shards at a time. It can share
    its first and last shard with other processes.

    Args:
        shards: shard of each sample, int64 [N], from 0.
        world: number of processes.
        generator: source of the random order; the same in all processes.
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
    """Return the positions [N], sorted by group and in random order within each group."""
    free = torch.randperm(len(groups), generator=generator)
    return free[groups[free].argsort(stable=True)]
