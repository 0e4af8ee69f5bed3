"""The region head: features under a query's own mask, as evidence for its class. Off in the reference.

The mean features under the mask, one per map, are mapped linearly into the space of texts, scaled to unit length and
averaged. Text queries are chosen by their class embedding, so this helps phrases too. A network trained from scratch
learns to name regions long before its queries learn to carry a name through the layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FINE = 2
"""The stride of mask features that are averaged to stride 4 for the region head."""


def region_features(features: Float[Tensor, "B C H W"], stride: int) -> Float[Tensor, "B C h w"]:
    """Return the mask features as the region head reads them: at stride 4 or coarser."""
    return F.avg_pool2d(features, 2) if stride == FINE else features


class RegionHead(nn.Module):
    """Linear maps of mean features into the space of texts.

    Args:
        widths: channels of the levels, then of the mask features.
        text_dim: C, channels of text embeddings.
        gain: initial factor of the evidence, the mean of unit vectors.
    """

    def __init__(self, widths: Sequence[int], text_dim: int, gain: float = 8.0) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, text_dim) for width in widths)
        self.gain = nn.Parameter(torch.tensor(gain))

    def embed(
        self, features: Sequence[Float[Tensor, "B c M"]], weights: Sequence[Float[Tensor, "B N M"]]
    ) -> list[Float[Tensor, "B N C"]]:
        """Return the unit vectors of N regions, one tensor per map.

        Args:
            features: feature maps, each with its cells in a row.
            weights: share of each cell that belongs to each region, 0..1, for each map.
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
        """Return the evidence for N masks, given as logits on each map; no gradient flows into the masks."""
        vectors = self.embed(features, [logit.detach().sigmoid() for logit in logits])
        return self.gain * torch.stack(vectors).mean(dim=0)
