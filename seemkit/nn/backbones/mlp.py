"""timm's feed-forward layers, computed for some of the cells at a time.

The hidden features of a large image take 128 MB and more. A part of them fits into the processor's cache, and its
memory is used again for the next part, so such a layer takes two thirds of the time. Each cell is on its own, so the
result is the same up to rounding.
"""

from __future__ import annotations

import torch
from timm.layers.mlp import Mlp
from torch import Tensor, nn

from seemkit.ops.inference_mode import inference_on_cpu

CELLS = 2048
"""Cells that are computed together: enough for a matrix product, and few enough for the cache."""


class MlpInParts(Mlp):
    """The same layers, with parts of the cells one after another where no gradient is recorded on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each cell after the layers; a cell is a row, or a place of a map for convolutions."""
        if not inference_on_cpu(x):
            return self._compute(x)
        if isinstance(self.fc1, nn.Conv2d):
            rows = max(1, CELLS // (x.shape[0] * x.shape[3]))
            return torch.cat([self._compute(part) for part in x.split(rows, dim=2)], dim=2)
        found = torch.cat([self._compute(part) for part in x.flatten(0, -2).split(CELLS)])
        return found.view(*x.shape[:-1], -1)

    def _compute(self, x: Tensor) -> Tensor:
        found: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return found


def compute_in_parts(body: nn.Module) -> None:
    """Let the feed-forward layers of timm's blocks compute in parts."""
    for module in body.modules():
        if type(module) is Mlp:
            module.__class__ = MlpInParts
