"""Where a computation may take a way that values decide, or that torch does not know."""

from __future__ import annotations

import torch
from torch import Tensor


def inference_on_cpu(tensor: Tensor) -> bool:
    """Whether nothing is recorded on a CPU: neither gradients, nor a graph that is compiled or exported.

    A graph should say what it computes, in sizes that no value decides; a GPU would have to wait for such sizes.
    """
    recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
    return tensor.device.type == "cpu" and not recorded
