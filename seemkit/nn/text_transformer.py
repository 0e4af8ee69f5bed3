"""The transformer of CLIP's text tower, with open_clip's parameter names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seemkit.nn.attention import Attention, KeysValues

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

    def forward(
        self, tokens: Float[Tensor, "T L C"], allowed: Bool[Tensor, "T|1 L M"], before: KeysValues | None
    ) -> tuple[Float[Tensor, "T L C"], KeysValues]:
        """Return the tokens after the block, and their own keys and values.

        Args:
            tokens: the tokens.
            allowed: which of the M keys each token reads: those of the tokens before, then its own sentence's.
            before: keys and values of tokens before these, or None.
        """
        normed = self.ln_1(tokens)
        own = self.attn.project(normed, normed)
        read = own if before is None else before.followed_by(own)
        tokens = tokens + self.attn(normed, read, allowed)
        return tokens + self.mlp(self.ln_2(tokens)), own


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
        return self.read(tokens)[0]

    def read(
        self,
        tokens: Float[Tensor, "T L C"],
        before: Sequence[KeysValues] | None = None,
        valid: Bool[Tensor, "T P"] | None = None,
    ) -> tuple[Float[Tensor, "T L C"], list[KeysValues]]:
        """Return the tokens after the last block, and their keys and values in each block.

        Args:
            tokens: the tokens.
            before: for each block, keys and values of P tokens before these; None if these are the first.
            valid: which of the tokens before exist; required with `before`.
        """
        length = tokens.shape[1]
        allowed = torch.ones(1, length, length, dtype=torch.bool, device=tokens.device).tril()
        if valid is not None:
            known = valid[:, None].expand(-1, length, -1)
            allowed = torch.cat((known, allowed.expand(len(known), -1, -1)), dim=2)
        found = []
        for index, block in enumerate(self.resblocks):
            tokens, own = block(tokens, allowed, None if before is None else before[index])
            found.append(own)
        return tokens, found
