"""Sending to a device what the host has."""

from __future__ import annotations

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the host on a device, without waiting for what the device still has to do.

    A plain copy to a GPU waits, because its source could change meanwhile; this one leaves from pinned memory.
    """
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
