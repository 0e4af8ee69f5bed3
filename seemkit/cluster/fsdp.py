"""Sharding of weights, gradients and optimizer state over processes, with torch's ``fully_shard`` (FSDP2)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from seemkit.errors import InputError


def shard(module: nn.Module, parts: Iterable[nn.Module], doors: Iterable[str], mesh: DeviceMesh) -> None:
    """Shard a module in place, and some of its parts separately.

    A separate part is gathered while it runs, and must run only once per step. The rest is gathered from the call of a
    method in `doors` to the end of its backward pass. Parameters without a dimension cannot be sharded and stay whole.

    Args:
        module: the module, with the same weights on every process.
        parts: submodules to shard separately.
        doors: names of the methods that can begin a step. None must call another one: torch would shard the weights
            again after the inner call.
        mesh: the device mesh that Lightning made.

    Raises:
        InputError: the mesh splits single layers (tensor parallelism), which this network does not support.
    """
    data, tensor = mesh["data_parallel"], mesh["tensor_parallel"]
    if tensor.size() > 1:
        raise InputError(
            f"trainer.strategy: tensor_parallel_size {tensor.size()} is not supported; set tensor_parallel_size: 1 and "
            f"data_parallel_size: {data.size() * tensor.size()}, the number of processes"
        )
    for part in parts:
        fully_shard(part, mesh=data)
    fully_shard(module, mesh=data, reshard_after_forward=False, ignored_params=scalars(module))
    for door in doors:
        register_fsdp_forward_method(module, door)


def scalars(module: nn.Module) -> set[nn.Parameter]:
    """Return the parameters without a dimension; FSDP does not reduce their gradients, so the caller must."""
    return {parameter for parameter in module.parameters() if not parameter.ndim}


def share_buffers(module: nn.Module) -> None:
    """Copy the running averages of rank 0 to all processes, so that a checkpoint has those of rank 0."""
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)):
            for buffer in part.buffers(recurse=False):
                torch.distributed.broadcast(buffer, src=0)
