"""The dtype and the device of a network."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch

from seemkit.cluster.lightning_adapter import cpu_multiplies_bfloat16
from seemkit.errors import InputError

Dtype: TypeAlias = Literal["auto", "float32", "bfloat16"]
"""``auto`` means bfloat16 if `bfloat16_is_fast`, float32 otherwise."""


def choose_dtype(name: Dtype, device: torch.device) -> torch.dtype:
    """Return the dtype that a name means on a device.

    Raises:
        InputError: the name is unknown.
    """
    if name not in get_args(Dtype):
        raise InputError(f"dtype: {name!r}; expected one of {', '.join(get_args(Dtype))}")
    if name == "auto":
        return torch.bfloat16 if bfloat16_is_fast(device) else torch.float32
    return torch.float32 if name == "float32" else torch.bfloat16


def choose_device(name: str) -> torch.device:
    """Return the device that a name means, for example ``"cpu"``, ``"cuda:1"`` or ``"mps"``.

    Raises:
        InputError: this machine has no such device.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for a device
        raise InputError(f"device: {name!r} is not available: {str(error).splitlines()[0]}") from error
    return device


def bfloat16_is_fast(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 matrices in hardware; emulation is many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return cpu_multiplies_bfloat16()
    return False
