"""A device that does not exist, on which a step's waits for results can be counted.

Tensors on it live in the host's memory, but claim to be elsewhere. Every operation that would make the host wait for an
accelerator is counted: a copy between device and host that is not `non_blocking`, a number read from a tensor, and
operations whose result's size depends on values, such as `nonzero` and indexing with a bool mask. Indexing with a list
or a tensor of the host copies these. Other operations between device and host fail, as they would on an accelerator.
"""

from __future__ import annotations

import traceback
from collections import Counter
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

AWAY = torch.device("meta")
aten = torch.ops.aten
WAITING = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten._unique2.default,
    aten.repeat_interleave.Tensor,
}


class Away(Tensor):
    """A tensor that claims to be on the device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Self:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=AWAY,
            requires_grad=held.requires_grad,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of `Waits`")


class _Numbers(TorchFunctionMode):
    """Makes tensors of numbers on the device, which torch does without asking a dispatch mode."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (Tensor.tolist, Tensor.numpy) and isinstance(args[0], Away):
            return func(args[0].cpu())
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            index = tuple(torch.tensor(part) if isinstance(part, list) else part for part in index)
            return func(args[0], index, *args[2:])
        if func is Tensor.new_tensor:
            like, *args = args
            func, kwargs = torch.tensor, {"device": like.device, "dtype": like.dtype, **kwargs}
        device = kwargs.get("device")
        if func in (torch.tensor, torch.as_tensor) and device is not None and torch.device(device) == AWAY:
            return func(*args, **{**kwargs, "device": "cpu"}).to(AWAY)
        return func(*args, **kwargs)


class Waits(TorchDispatchMode):
    """Counts the waits of what runs under it, by the line of seemkit that makes them.

    Attributes:
        places: number of waits of each line, as ``file:line operation``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: Counter[str] = Counter()
        self._numbers = _Numbers()

    @property
    def count(self) -> int:
        """Number of waits."""
        return self.places.total()

    def __enter__(self) -> Self:
        self._numbers.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._numbers.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        away = [value for value in tensors if isinstance(value, Away)]
        target = kwargs.get("device")
        target = None if target is None else torch.device(target)
        if not away and target != AWAY:
            return func(*args, **kwargs)
        assert all(isinstance(value, Away) or value.device != AWAY for value in tensors), f"{func}: numbers are lost"
        stays = bool(away) if target is None else target == AWAY
        if self._waits(func, args, kwargs, stays):
            self._note(func)
        moves = func in (aten._to_copy.default, aten.copy_.default)
        if away and not moves:
            host = [value for value in tensors if not isinstance(value, Away) and value.dim()]
            indices = func in (aten.index.Tensor, aten.index_put_.default, aten.index_put.default)
            assert indices or not host, f"{func}: a tensor on the host meets tensors on the device"
        if target is not None:
            kwargs["device"] = "cpu"
        result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
        if func is aten.copy_.default:
            return args[0]
        if not stays:
            return result
        wrapped = tree_map(lambda value: Away(value) if isinstance(value, Tensor) else value, result)
        return return_and_correct_aliasing(func, args, kwargs, wrapped) if away else wrapped

    def _waits(self, func: Any, args: Any, kwargs: Any, stays: bool) -> bool:
        if func is aten._to_copy.default and isinstance(args[0], Away) is not stays:
            return not (stays and kwargs.get("non_blocking"))
        if func is aten.copy_.default and isinstance(args[0], Away) is not isinstance(args[1], Away):
            return not (isinstance(args[0], Away) and args[2:3] == (True,))
        if func in (aten.index.Tensor, aten.index_put_.default, aten.index_put.default):
            return any(i is not None and (i.dtype == torch.bool or not isinstance(i, Away)) for i in args[1])
        return func in WAITING and any(isinstance(value, Away) for value in args)

    def _note(self, func: Any) -> None:
        lines = [frame for frame in traceback.extract_stack() if "seemkit/" in frame.filename]
        place = lines[-1] if lines else traceback.extract_stack()[-3]
        self.places[f"{place.filename.rpartition('seemkit/')[2]}:{place.lineno} {func}"] += 1


def move(module: nn.Module) -> nn.Module:
    """Move the parameters and buffers of a module to the device, in place."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(Away(parameter.detach()), parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = Away(buffer)
    return module


def _held(value: Any) -> Any:
    return value.held if isinstance(value, Away) else value
