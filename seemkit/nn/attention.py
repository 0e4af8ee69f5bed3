"""Multi-head attention with keys and values that are projected once and can be read many times."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seemkit.ops.inference_mode import inference_on_cpu

LEAST_KEYS = 1024
MOST_READ, MOST_READ_BY_FEW, FEW = 0.5, 0.3, 16
"""With fewer than `LEAST_KEYS` keys, or if more than the share `MOST_READ` is read, dropping the unread keys costs more
than it saves. With fewer than `FEW` queries the limit is `MOST_READ_BY_FEW`.
"""


class KeysValues(NamedTuple):
    """Projected keys and values, each [B, heads, M, C / heads]."""

    keys: Tensor
    values: Tensor

    def followed_by(self, other: Self) -> Self:
        """Return these keys and values, then those of `other`."""
        return type(self)(torch.cat((self.keys, other.keys), dim=2), torch.cat((self.values, other.values), dim=2))

    def at(self, places: Int[Tensor, " R"]) -> Self:
        """Return the keys and values at these indices along M, for a single image."""
        num_heads, count = self.keys.shape[1:3]
        rows = places + count * torch.arange(num_heads, device=places.device)[:, None]
        # faster than `index_select` along M
        return type(self)(*(F.embedding(rows, part.reshape(num_heads * count, -1))[None] for part in self))


class Attention(nn.Module):
    """Attention of N queries over M keys, with the parameter names of `torch.nn.MultiheadAttention`.

    Args:
        embed_dim: C, the channels of queries, keys and values.
        num_heads: number of heads; divides `embed_dim`.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim))
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project(
        self, keys: Float[Tensor, "B M C"], values: Float[Tensor, "B M C"], *, pack: bool = False
    ) -> KeysValues:
        """Return the projected keys and values for `forward`.

        Args:
            keys: the tokens that give the keys.
            values: the tokens that give the values.
            pack: store each head's rows adjacent in memory, for faster repeated reads.
        """
        _, *weights = self.in_proj_weight.chunk(3)
        _, *biases = self.in_proj_bias.chunk(3)
        parts = (
            self._split(F.linear(tokens, weight, bias))
            for tokens, weight, bias in zip((keys, values), weights, biases, strict=True)
        )
        return KeysValues(*(part.contiguous() if pack else part for part in parts))

    def forward(
        self,
        queries: Float[Tensor, "B N C"],
        memory: KeysValues,
        allowed: Bool[Tensor, "B N M"] | None = None,
    ) -> Float[Tensor, "B N C"]:
        """Return what each query reads.

        Args:
            queries: the reading tokens.
            memory: the output of `project`.
            allowed: True where a query may read a key; every row needs at least one True. None allows everything.
        """
        weight, bias = self.in_proj_weight.chunk(3)[0], self.in_proj_bias.chunk(3)[0]
        if allowed is not None:
            memory, allowed = _without_unread(memory, allowed)
        read = F.scaled_dot_product_attention(
            self._split(F.linear(queries, weight, bias)),
            memory.keys,
            memory.values,
            attn_mask=None if allowed is None else allowed[:, None],
        )
        return self.out_proj(read.transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


def _without_unread(memory: KeysValues, allowed: Bool[Tensor, "B N M"]) -> tuple[KeysValues, Bool[Tensor, "B N R"]]:
    """Return only the R keys and values that any query may read, if this saves time; else return the input.

    The queries of one object often read a small part of an image. The result of the attention is the same.
    """
    if len(allowed) != 1 or allowed.shape[2] < LEAST_KEYS or not inference_on_cpu(allowed):
        return memory, allowed
    places = allowed[0].any(dim=0).nonzero().squeeze(1)
    most = MOST_READ if allowed.shape[1] >= FEW else MOST_READ_BY_FEW
    if len(places) > most * allowed.shape[2]:
        return memory, allowed
    return memory.at(places), allowed.index_select(2, places)


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between them, added to the input and normalized."""

    def __init__(self, embed_dim: int, ffn_dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(embed_dim, ffn_dim)
        self.linear2 = nn.Linear(ffn_dim, embed_dim)
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, tokens: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
        """Return the tokens after the layer."""
        return self.norm(tokens + self.linear2(F.relu(self.linear1(tokens), inplace=True)))
