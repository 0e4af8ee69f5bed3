"""The region head: what lies under a query's own mask, as evidence for its class. Off in the reference.

The mean features under the mask, one a level, are mapped linearly into the space of texts, scaled to unit length and
added up. Text queries are chosen by their class embedding, so this serves phrases too. A network that is trained from
scratch learns to name regions long before its queries learn to carry a name through the layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FINE = 2
"""The stride of mask features of which the region head reads averages."""


def region_features(features: Float[Tensor, "B C H W"], stride: int) -> Float[Tensor, "B C h w"]:
    """Mask features of a stride as the region head reads them: at stride 4 or coarser."""
    return F.avg_pool2d(features, 2) if stride == FINE else features


class RegionHead(nn.Module):
    """Linear maps of mean features into the space of texts.

    Args:
        widths: channels of the levels, then of the mask features.
        text_dim: C, channels of text embeddings.
        gain: initial length of the evidence that a query gets.
    """

    def __init__(self, widths: Sequence[int], text_dim: int, gain: float = 8.0) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, text_dim) for width in widths)
        self.gain = nn.Parameter(torch.tensor(gain))

    def embed(
        self, features: Sequence[Float[Tensor, "B c M"]], weights: Sequence[Float[Tensor, "B N M"]]
    ) -> list[Float[Tensor, "B N C"]]:
        """Unit vectors of N regions, one tensor a map.

        Args:
            features: maps, each with its cells in a row.
            weights: how much of each cell belongs to each region, 0..1, for each map.
        """
        found = []
        for projection, feature, weight in zip(self.projections, features, weights, strict=True):
            total = weight @ feature.transpose(1, 2)
            mean = total / weight.sum(dim=2, keepdim=True).clamp(min=1e-4)
            found.append(F.normalize(projection(mean), dim=-1))
        return found

    def forward(
        self, features: Sequence[Float[Tensor, "B c M"]], logits: Sequence[Float[Tensor, "B N M"]]
    ) -> Float[Tensor, "B N C"]:
        """The evidence for N masks, given as logits on each map; no gradient flows into the masks."""
        vectors = self.embed(features, [logit.detach().sigmoid() for logit in logits])
        return self.gain * torch.stack(vectors).mean(dim=0)
