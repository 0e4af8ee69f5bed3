"""The click field: each click adds or removes a local bump of the mask, linearly. Off in the reference.

Fixed Fourier features of the pixel position are appended to the mask features. The dot product of two of them is close
to a Gaussian of the distance between the pixels. Two terms, each with a learned weight, are added to a visual query's
mask embedding: the mean feature under its clicks, and their positions (the sum over the clicks divided by the square
root of their number). The mask thus stays linear in the features, while a click always acts where it was made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.nn.position import pixel_centers
from seemkit.ops.memory_format import channels_last

MOST_BUMPS = 16
"""A region with more points than this raises the mask only by as much as this number of clicks; it is wide anyway."""


@dataclass(frozen=True, slots=True)
class RegionFeatures:
    """Mask features under the regions of P objects.

    Attributes:
        positive: [B, P, C_mask], the mean under the positive region.
        negative: [B, P, C_mask], the mean under the negative region; zero without one.
        counts: [B, P, 2], number of positive and negative points.
    """

    positive: Tensor
    negative: Tensor
    counts: Tensor


class ClickField(nn.Module):
    """The position channels and the weights of the clicks.

    Args:
        embed_dim: C, learned channels of the mask features.
        channels: F, position channels; a multiple of 4.
        copies: queries per object; each has its own weights.
        bandwidths: b of the two families of bumps, in cycles per image side; a bump is a Gaussian with sigma
            1 / (2 pi b) of the image side.
        strength: initial height of a bump, in logits.
        words: C_text, channels of the text vectors that add a further term; 0 for no such term.
    """

    frequencies: Tensor

    def __init__(
        self,
        embed_dim: int,
        channels: int,
        copies: int,
        bandwidths: tuple[float, float] = (1.4, 3.2),
        strength: float = 2.0,
        words: int = 0,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        draw = torch.randn(2, channels // 4, 2, generator=generator)
        scale = torch.tensor(bandwidths)[:, None, None] * (2 * math.pi)
        self.register_buffer("frequencies", (draw * scale).flatten(0, 1))
        self.channels = channels
        self.positive = nn.Parameter(torch.zeros(copies, embed_dim, embed_dim))
        self.negative = nn.Parameter(torch.zeros(copies, embed_dim, embed_dim))
        self.raise_ = nn.Parameter(torch.full((copies,), strength))
        self.lower = nn.Parameter(torch.full((copies,), strength))
        self.words = nn.Parameter(torch.zeros(copies, words, embed_dim)) if words else None

    def append_positions(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B CF H W"]:
        """Return the mask features followed by the position channels."""
        batch, _, height, width = features.shape
        exact = torch.promote_types(features.dtype, torch.float32)
        centers = pixel_centers(height, width, device=features.device, dtype=exact)
        angle = (centers[:, :, None] * self.frequencies.to(exact)).sum(dim=3)  # autocast would round a matrix product
        waves = torch.cat((angle.cos(), angle.sin()), dim=2) / math.sqrt(len(self.frequencies) / 2)
        cells = (features.permute(0, 2, 3, 1), waves.to(features.dtype).expand(batch, -1, -1, -1))
        return channels_last(torch.cat(cells, dim=3).permute(0, 3, 1, 2))

    def forward(self, regions: RegionFeatures, texts: Float[Tensor, "B P Ct"] | None = None) -> Float[Tensor, "B R CF"]:
        """Return the term to add to the mask embedding of each visual query (R = P times copies, object by object).

        Args:
            regions: features under the objects' regions.
            texts: vectors of the objects' texts, zero for objects without a text.
        """
        seen = self._weigh(regions.positive, regions.counts[..., :1], self.positive, self.raise_)
        avoided = self._weigh(regions.negative, regions.counts[..., 1:], self.negative, -self.lower)
        term = seen + avoided
        if self.words is not None and texts is not None:
            said = torch.einsum("bpc,kcd->bpkd", F.normalize(texts, dim=-1) * texts.shape[-1] ** 0.5, self.words)
            term = term + F.pad(said, (0, self.channels))
        return term.flatten(1, 2)

    def _weigh(self, mean: Tensor, count: Tensor, weight: Tensor, height: Tensor) -> Tensor:
        content, position = mean.split((mean.shape[-1] - self.channels, self.channels), dim=-1)
        content = torch.einsum("bpc,kcd->bpkd", content, weight)
        position = torch.einsum("bpf,k->bpkf", position * count.clamp(max=MOST_BUMPS).sqrt(), height)
        return torch.cat((content, position), dim=-1)
