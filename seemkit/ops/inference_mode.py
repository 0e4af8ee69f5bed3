"""What torch's inference mode allows, and how its tensors leave it."""

from __future__ import annotations

import torch
from torch import Tensor


def inference_on_cpu(tensor: Tensor) -> bool:
    """Return whether the tensor is on a CPU and neither gradients nor a compiled or exported graph are recorded.

    In a recorded graph no size should depend on values. A GPU would have to wait for such sizes.
    """
    recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
    return tensor.device.type == "cpu" and not recorded


def ordinary(tensor: Tensor) -> Tensor:
    """Return the tensor, or a copy of one that was made in inference mode, which torch lets nobody change in place."""
    if not tensor.is_inference():
        return tensor
    with torch.inference_mode(False):
        return tensor.clone()
