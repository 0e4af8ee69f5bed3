"""Weights, gradients and optimizer state shared out among processes, with torch's ``fully_shard`` (FSDP2)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from seemkit.errors import InputError


def shard(module: nn.Module, parts: Iterable[nn.Module], doors: Iterable[str], mesh: DeviceMesh) -> None:
    """Shards a module in place, some of its parts by themselves.

    A part by itself is gathered while it runs, and must run only once in a step. The rest is gathered from the call of
    a door to the end of its backward pass. Numbers without a dimension cannot be shared out and stay whole.

    Args:
        module: with the same weights on every process.
        parts: modules in it.
        doors: names of its methods that a step may begin with. None may call another, behind which torch would shard
            the weights again.
        mesh: as Lightning makes it.

    Raises:
        InputError: the mesh would split single layers, which this network does not.
    """
    data, tensor = mesh["data_parallel"], mesh["tensor_parallel"]
    if tensor.size() > 1:
        raise InputError(
            f"trainer.strategy: has tensor_parallel_size {tensor.size()}; set tensor_parallel_size: 1 and "
            f"data_parallel_size: {data.size() * tensor.size()}, the number of processes"
        )
    for part in parts:
        fully_shard(part, mesh=data)
    fully_shard(module, mesh=data, reshard_after_forward=False, ignored_params=scalars(module))
    for door in doors:
        register_fsdp_forward_method(module, door)


def scalars(module: nn.Module) -> set[nn.Parameter]:
    """The parameters without a dimension, whose gradients nobody reduces."""
    return {parameter for parameter in module.parameters() if not parameter.ndim}


def share_buffers(module: nn.Module) -> None:
    """Gives all processes the running averages of the first one, so that a checkpoint holds those of no other."""
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)):
            for buffer in part.buffers(recurse=False):
                torch.distributed.broadcast(buffer, src=0)
