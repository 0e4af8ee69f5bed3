"""The transformer of CLIP's text tower, with open_clip's parameter names."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seemkit.nn.attention import Attention

Norm = partial(nn.LayerNorm, eps=1e-12)


class QuickGELU(nn.Module):
    """CLIP's approximation of GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of each element."""
        return x * torch.sigmoid(1.702 * x)


class TextBlock(nn.Module):
    """Attention, then a feed-forward layer; each is preceded by a norm and added to its input."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.ln_1 = Norm(embed_dim)
        self.attn = Attention(embed_dim, num_heads)
        self.ln_2 = Norm(embed_dim)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=nn.Linear(embed_dim, 4 * embed_dim), gelu=QuickGELU(), c_proj=nn.Linear(4 * embed_dim, embed_dim)
            )
        )

    def forward(self, tokens: Float[Tensor, "T L C"], allowed: Bool[Tensor, "1 L L"]) -> Float[Tensor, "T L C"]:
        """Return the tokens after the block; see `Attention.forward`."""
        normed = self.ln_1(tokens)
        tokens = tokens + self.attn(normed, self.attn.project(normed, normed), allowed)
        return tokens + self.mlp(self.ln_2(tokens))


class TextTransformer(nn.Module):
    """Blocks in which a token reads itself and the tokens before it.

    Args:
        embed_dim: C, channels of a token.
        layers: number of blocks.
        num_heads: attention heads of each block.
    """

    def __init__(self, embed_dim: int, layers: int, num_heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(TextBlock(embed_dim, num_heads) for _ in range(layers))

    def forward(self, tokens: Float[Tensor, "T L C"]) -> Float[Tensor, "T L C"]:
        """Return the tokens after the last block."""
        length = tokens.shape[1]
        earlier = torch.ones(1, length, length, dtype=torch.bool, device=tokens.device).tril()
        for block in self.resblocks:
            tokens = block(tokens, earlier)
        return tokens
