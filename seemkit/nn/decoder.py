"""The decoder: queries, memory and prompt tokens in one sequence under one visibility table.

Source: SEEM (arXiv 2304.06718), section 3; the layers are Mask2Former's (arXiv 2112.01527), section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seemkit.nn.attention import Attention, FeedForward, KeysValues
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings, PredictionHeads, mask_logits
from seemkit.nn.region_head import RegionHead
from seemkit.nn.tokens import Role, Tokens, visibility

LEVELS = 3

ORDER = (Role.QUERY, Role.MEMORY, Role.PROMPT)
"""How tokens stand in the sequence; those whose value is set anew at each level come last."""


@dataclass(frozen=True, slots=True)
class PreviousMasks:
    """The masks of the previous round, which the memory tokens look at the image through.

    Attributes:
        logits: [B, P, H_m, W_m], one mask an object, at the resolution of the mask features.
        slot: int64 [L or 1, B, M], the index in `logits` of the mask that each memory token uses.
    """

    logits: Tensor
    slot: Tensor


class DecoderLayer(nn.Module):
    """Masked cross-attention to one level, self-attention under the visibility table, feed-forward; all post-norm."""

    def __init__(self, embed_dim: int, num_heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.cross_attention = Attention(embed_dim, num_heads)
        self.cross_norm = nn.LayerNorm(embed_dim)
        self.self_attention = Attention(embed_dim, num_heads)
        self.self_norm = nn.LayerNorm(embed_dim)
        self.feed_forward = FeedForward(embed_dim, ffn_dim)

    def cross_attend(
        self,
        tokens: Float[Tensor, "B N C"],
        positions: Float[Tensor, "B N C"],
        image: KeysValues,
        allowed: Bool[Tensor, "B N M"],
    ) -> Float[Tensor, "B N C"]:
        """The tokens after reading the image where `allowed`."""
        return self.cross_norm(tokens + self.cross_attention(tokens + positions, image, allowed))

    def self_attend(
        self, tokens: Float[Tensor, "B N C"], positions: Float[Tensor, "B N C"], allowed: Bool[Tensor, "B R N"]
    ) -> Float[Tensor, "B R C"]:
        """The first R tokens after reading all where `allowed`, and the feed-forward layer."""
        placed, rows = tokens + positions, allowed.shape[1]
        read = self.self_attention(placed[:, :rows], self.self_attention.project(placed, tokens), allowed)
        return self.feed_forward(self.self_norm(tokens[:, :rows] + read))


class Decoder(nn.Module):
    """Tokens to predictions, in `layers` rounds over the levels of the pyramid.

    Args:
        embed_dim: C, channels of the tokens.
        text_dim: channels of text embeddings.
        mask_dim: channels of the mask features.
        layers: number of layers; layer i reads level i mod 3.
        num_heads: attention heads.
        ffn_dim: channels inside the feed-forward layers.
        values_carry_position: add the position to the values that cross-attention reads, so that a query learns
            where it looks. Off in the reference.
        region_head: adds the features under each query's mask to its class embedding. None in the reference.
    """

    def __init__(
        self,
        embed_dim: int,
        text_dim: int,
        mask_dim: int,
        *,
        layers: int,
        num_heads: int,
        ffn_dim: int,
        values_carry_position: bool = False,
        region_head: RegionHead | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(embed_dim, num_heads, ffn_dim) for _ in range(layers))
        self.heads = PredictionHeads(embed_dim, text_dim, mask_dim)
        self.region_head = region_head
        self.values_carry_position = values_carry_position

    def read_image(self, levels: Sequence[Tensor], positions: Sequence[Tensor]) -> list[KeysValues]:
        """Keys and values of every layer's cross-attention.

        Args:
            levels: three [B, M_l, C], coarsest first.
            positions: three [1, M_l, C].
        """
        placed = [level + position for level, position in zip(levels, positions, strict=True)]
        values = placed if self.values_carry_position else levels
        found = [
            layer.cross_attention.project(placed[index % LEVELS], values[index % LEVELS])
            for index, layer in enumerate(self._stages())
        ]
        # a step of training reads them once, and its backward pass would copy them again
        return found if torch.is_grad_enabled() else [read.packed() for read in found]

    def forward(
        self,
        context: ImageContext,
        tokens: Sequence[Tokens],
        previous: PreviousMasks | None = None,
        mask_bias: dict[str, Tensor] | None = None,
        *,
        every_layer: bool = False,
    ) -> list[dict[str, Embeddings]]:
        """Predictions of each query group after the last layer, as a list of one.

        Args:
            context: the encoded images.
            tokens: the groups that take part.
            previous: needed if a memory group takes part.
            mask_bias: for some query groups, a term [B, N, C_mask] added to each of their mask embeddings.
            every_layer: True for those of the initial queries and after each layer, L + 1 in all, in place of the last.
        """
        tokens = sorted(tokens, key=lambda t: (ORDER.index(t.group.role), t.group.fresh))
        carried, fresh = ([t for t in tokens if t.group.fresh is wanted] for wanted in (False, True))
        queries = [t for t in carried if t.group.role is Role.QUERY]
        memory = [t for t in carried if t.group.role is Role.MEMORY]
        if memory and previous is None:
            raise ValueError("memory takes part but no previous masks were given")
        rows = sum(t.count for t in (*queries, *memory))
        dealt_anew = any(len(t.owner) > 1 for t in tokens)
        state = torch.cat([t.values[0] for t in carried], dim=1)
        masks, predictions = self._masks(queries, state, mask_bias), []
        for index, layer in enumerate(self._stages()):
            if every_layer:
                predictions.append(self._predict(context, queries, state, masks))
            level = index % LEVELS
            position = torch.cat([t.positions[level if t.group.fresh else 0] for t in tokens], dim=1)
            allowed = self._attention_mask(context, masks, previous if memory else None, index)
            attended = layer.cross_attend(state[:, :rows], position[:, :rows], context.keys_values[index], allowed)
            sequence = torch.cat((attended, state[:, rows:], *(t.values[level] for t in fresh)), dim=1)
            if index == 0 or dealt_anew:
                visible = visibility(tokens, index)[:, : state.shape[1]]
            state = layer.self_attend(sequence, position, visible)
            masks = self._masks(queries, state, mask_bias)
        return [*predictions, self._predict(context, queries, state, masks)]

    def _stages(self) -> Iterator[DecoderLayer]:
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            yield layer

    def _masks(
        self, queries: Sequence[Tokens], state: Tensor, bias: dict[str, Tensor] | None
    ) -> Float[Tensor, "B N C_mask"]:
        """The mask embeddings of all queries, with which `state` begins."""
        sizes = [t.count for t in queries]
        masks = self.heads.masks(state[:, : sum(sizes)])
        if not bias:
            return masks
        split = zip(queries, masks.split(sizes, 1), strict=True)
        return torch.cat([part + bias.get(t.group.name, 0) for t, part in split], dim=1)

    def _predict(
        self, context: ImageContext, queries: Sequence[Tokens], state: Tensor, masks: Float[Tensor, "B N C_mask"]
    ) -> dict[str, Embeddings]:
        """What is known of each group of queries; `masks` are those of `state`."""
        sizes = [t.count for t in queries]
        classes = self.heads.classes(state[:, : sum(sizes)])
        if self.region_head is not None:
            classes = classes + self.region_head(*self._regions(context, masks))
        parts = zip(queries, classes.split(sizes, 1), masks.split(sizes, 1), strict=True)
        return {t.group.name: Embeddings(*embeddings) for t, *embeddings in parts}

    @staticmethod
    def _regions(context: ImageContext, masks: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The maps that the region head reads, cells in a row, and the queries' mask logits on them."""
        features = [level.transpose(1, 2) for level in context.levels]
        maps = [*context.level_mask_features, context.region_features]
        return [*features, maps[-1].flatten(2)], [mask_logits(masks, of_map).flatten(2) for of_map in maps]

    @staticmethod
    @torch.no_grad()
    def _attention_mask(
        context: ImageContext, masks: Float[Tensor, "B N C_mask"], previous: PreviousMasks | None, layer: int
    ) -> Bool[Tensor, "B R M"]:
        """Where each query, and each memory token if there is any, may look: inside its own mask, or everywhere if
        that is empty.
        """
        level = layer % LEVELS
        sight = _inside_or_all(mask_logits(masks, context.level_mask_features[level]))
        if previous is None:
            return sight
        logits = F.interpolate(previous.logits, size=tuple(context.shapes[level]), mode="bilinear", align_corners=False)
        slot = previous.slot[min(layer, len(previous.slot) - 1)]
        image = torch.arange(len(slot), device=slot.device)[:, None]
        return torch.cat((sight, _inside_or_all(logits)[image, slot]), dim=1)


def _inside_or_all(logits: Float[Tensor, "B N H W"]) -> Bool[Tensor, "B N H*W"]:
    """The cells inside each mask, or all cells if there are none."""
    inside = (logits.flatten(2) >= 0).contiguous()
    return inside | ~inside.any(dim=2, keepdim=True)
