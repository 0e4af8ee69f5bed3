"""Check for when a computation can use code paths that depend on values or that torch cannot record."""

from __future__ import annotations

import torch
from torch import Tensor


def inference_on_cpu(tensor: Tensor) -> bool:
    """Return whether the tensor is on a CPU and neither gradients nor a compiled or exported graph are recorded.

    In a recorded graph no size should depend on values. A GPU would have to wait for such sizes.
    """
    recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
    return tensor.device.type == "cpu" and not recorded
