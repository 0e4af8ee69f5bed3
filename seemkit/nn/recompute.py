"""Activation checkpointing: a part keeps its inputs alone, and computes again what its backward pass needs.

Source: Chen et al., Training deep nets with sublinear memory cost (arXiv 1604.06174).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run(part: Callable[..., Tensor], *inputs: object, again: bool) -> Tensor:
    """Return ``part(*inputs)``; with `again`, what the backward pass needs is computed again instead of kept."""
    if not (again and torch.is_grad_enabled()):
        return part(*inputs)
    found: Tensor = checkpoint(part, *inputs, use_reentrant=False)
    return found


class Blocks(nn.Sequential):
    """Modules in a row, each of which can compute again what its backward pass needs.

    Attributes:
        again: whether they do so.
    """

    again = False

    def forward(self, x: Tensor) -> Tensor:
        """Return what the last module makes of what the others made of `x`."""
        for module in self:
            x = run(module, x, again=self.again)
        return x
