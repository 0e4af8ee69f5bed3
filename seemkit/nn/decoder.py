"""The decoder, which processes queries, memory and prompt tokens in one sequence with one visibility table.

Source: SEEM (arXiv 2304.06718), section 3; the layers are those of Mask2Former (arXiv 2112.01527), section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seemkit.nn.attention import Attention, FeedForward, KeysValues
from seemkit.nn.context import ImageContext, KeysValuesOnDemand, level_positions
from seemkit.nn.heads import Embeddings, PredictionHeads, mask_logits
from seemkit.nn.recompute import run
from seemkit.nn.region_head import RegionHead
from seemkit.nn.token_sequence import TokenSequence
from seemkit.nn.tokens import Tokens
from seemkit.types import Size

LEVELS = 3


@dataclass(frozen=True, slots=True)
class PreviousMasks:
    """The masks of the previous round, inside which the memory tokens attend to the image.

    Attributes:
        logits: [B, P, H_m, W_m], one mask for each object, at the resolution of the mask features.
        slot: int64 [L or 1, B, M], the index in `logits` of the mask that each memory token uses.
    """

    logits: Tensor
    slot: Tensor


class DecoderLayer(nn.Module):
    """Masked cross-attention to one level, self-attention by the visibility table, feed-forward; all post-norm."""

    def __init__(self, embed_dim: int, num_heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.cross_attention = Attention(embed_dim, num_heads)
        self.cross_norm = nn.LayerNorm(embed_dim)
        self.self_attention = Attention(embed_dim, num_heads)
        self.self_norm = nn.LayerNorm(embed_dim)
        self.feed_forward = FeedForward(embed_dim, ffn_dim)

    def forward(
        self,
        state: Float[Tensor, "B S C"],
        fresh: Float[Tensor, "B F C"],
        positions: Float[Tensor, "B N C"],
        image: KeysValues,
        allowed: Bool[Tensor, "B R M"],
        visible: Bool[Tensor, "B S N"],
    ) -> Float[Tensor, "B S C"]:
        """Return the state after the layer.

        Args:
            state: the tokens that the layers update; the first R of them attend to the image.
            fresh: the other tokens; N = S + F.
            positions: positions of all tokens.
            image: keys and values of the image.
            allowed: where in the image each of the R tokens attends.
            visible: which of all tokens each token of the state reads.
        """
        looking = allowed.shape[1]
        seen = self._cross_attend(state[:, :looking], positions[:, :looking], image, allowed)
        return self._self_attend(torch.cat((seen, state[:, looking:], fresh), dim=1), positions, visible)

    def _cross_attend(
        self,
        tokens: Float[Tensor, "B R C"],
        positions: Float[Tensor, "B R C"],
        image: KeysValues,
        allowed: Bool[Tensor, "B R M"],
    ) -> Float[Tensor, "B R C"]:
        """Return the tokens after cross-attention to the image where `allowed`."""
        return self.cross_norm(tokens + self.cross_attention(tokens + positions, image, allowed))

    def _self_attend(
        self, tokens: Float[Tensor, "B N C"], positions: Float[Tensor, "B N C"], allowed: Bool[Tensor, "B S N"]
    ) -> Float[Tensor, "B S C"]:
        """Return the first S tokens after self-attention to all tokens where `allowed` and the feed-forward layer."""
        placed, rows = tokens + positions, allowed.shape[1]
        read = self.self_attention(placed[:, :rows], self.self_attention.project(placed, tokens), allowed)
        return self.feed_forward(self.self_norm(tokens[:, :rows] + read))


class Decoder(nn.Module):
    """Layers that turn tokens into predictions.

    Args:
        embed_dim: C, channels of the tokens.
        text_dim: channels of text embeddings.
        mask_dim: channels of the mask features.
        layers: number of layers; layer i attends to level i mod 3.
        num_heads: number of attention heads.
        ffn_dim: channels inside the feed-forward layers.
        values_carry_position: add positions to the values of cross-attention, so that a query can learn where its
            object is. False in the reference.
        region_head: adds the features under each query's mask to its class embedding. None in the reference.

    Attributes:
        again: whether the layers compute again what their backward pass needs, to save memory.
    """

    again = False

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

    def read_image(self, levels: Sequence[Tensor], shapes: Sequence[Size]) -> Sequence[KeysValues]:
        """Return keys and values for the cross-attention of every layer: at once with a gradient, else on demand.

        Args:
            levels: three [B, M_l, C], coarsest first.
            shapes: height and width of each level.
        """
        if torch.is_grad_enabled():
            return self._read_image(levels, shapes)
        return KeysValuesOnDemand(partial(self._read_image, levels, shapes), len(self.layers))

    def _read_image(self, levels: Sequence[Tensor], shapes: Sequence[Size]) -> list[KeysValues]:
        # without a gradient, heads are packed; a training step reads once, and its backward pass would copy them again
        pack = not torch.is_grad_enabled()
        stages, found = list(self._stages()), {}
        for level, (tokens, shape) in enumerate(zip(levels, shapes, strict=True)):
            placed = tokens + level_positions(tokens, shape)
            values = placed if self.values_carry_position else tokens
            for index in range(level, len(stages), LEVELS):
                found[index] = stages[index].cross_attention.project(placed, values, pack=pack)
        return [found[index] for index in range(len(stages))]

    def forward(
        self,
        context: ImageContext,
        tokens: Sequence[Tokens],
        previous: PreviousMasks | None = None,
        mask_bias: dict[str, Tensor] | None = None,
        *,
        every_layer: bool = False,
    ) -> list[dict[str, Embeddings]]:
        """Return the predictions of each query group after the last layer, as a list with one entry.

        Args:
            context: the encoded images.
            tokens: tokens of all groups in this decode.
            previous: masks of the previous round; required with a memory group.
            mask_bias: by query group, a term [B, N, C_mask] added to its mask embeddings.
            every_layer: also return the predictions of the initial queries and after each other layer, L + 1 in all.
        """
        sequence = TokenSequence(tokens)
        if sequence.memory and previous is None:
            raise ValueError("previous is None, but the tokens include memory; give the masks of the previous round")
        queries, state = sequence.queries, sequence.state()
        masks, predictions = self._masks(queries, state, mask_bias), []
        for index, layer in enumerate(self._stages()):
            if every_layer:
                predictions.append(self._predict(context, queries, state, masks))
            level = index % LEVELS
            allowed = attention_mask(context, masks, previous if sequence.memory else None, index)
            fresh, positions, visible = sequence.fresh(level), sequence.positions(level), sequence.visible(index)
            image = context.keys_values[index]
            state = run(layer, state, fresh, positions, image, allowed, visible, again=self.again)
            masks = self._masks(queries, state, mask_bias)
        return [*predictions, self._predict(context, queries, state, masks)]

    def _stages(self) -> Iterator[DecoderLayer]:
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            yield layer

    def _masks(
        self, queries: Sequence[Tokens], state: Tensor, bias: dict[str, Tensor] | None
    ) -> Float[Tensor, "B N C_mask"]:
        """Return the mask embeddings of all queries, the first tokens of `state`."""
        sizes = [t.count for t in queries]
        masks = self.heads.masks(state[:, : sum(sizes)])
        if not bias:
            return masks
        split = zip(queries, masks.split(sizes, 1), strict=True)
        return torch.cat([part + bias.get(t.group.name, 0) for t, part in split], dim=1)

    def _predict(
        self, context: ImageContext, queries: Sequence[Tokens], state: Tensor, masks: Float[Tensor, "B N C_mask"]
    ) -> dict[str, Embeddings]:
        """Return the predictions of each query group; `masks` are the mask embeddings of `state`."""
        sizes = [t.count for t in queries]
        classes = self.heads.classes(state[:, : sum(sizes)])
        if self.region_head is not None:
            classes = classes + self.region_head(*self._regions(context, masks))
        parts = zip(queries, classes.split(sizes, 1), masks.split(sizes, 1), strict=True)
        return {t.group.name: Embeddings(*embeddings) for t, *embeddings in parts}

    @staticmethod
    def _regions(context: ImageContext, masks: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the flattened feature maps that the region head reads, and the queries' mask logits on these maps."""
        features = [level.transpose(1, 2) for level in context.levels]
        maps = [*context.level_mask_features, context.region_features]
        return [*features, maps[-1].flatten(2)], [mask_logits(masks, of_map).flatten(2) for of_map in maps]


@torch.no_grad()
def attention_mask(
    context: ImageContext, masks: Float[Tensor, "B N C_mask"], previous: PreviousMasks | None, layer: int
) -> Bool[Tensor, "B R M"]:
    """Return where each query, then each memory token, attends: inside its mask, or everywhere if that is empty."""
    level = layer % LEVELS
    inside = _inside_or_all(mask_logits(masks, context.level_mask_features[level]))
    if previous is None:
        return inside
    logits = F.interpolate(previous.logits, size=tuple(context.shapes[level]), mode="bilinear", align_corners=False)
    slot = previous.slot[min(layer, len(previous.slot) - 1)]
    image = torch.arange(len(slot), device=slot.device)[:, None]
    return torch.cat((inside, _inside_or_all(logits)[image, slot]), dim=1)


def _inside_or_all(logits: Float[Tensor, "B N H W"]) -> Bool[Tensor, "B N H*W"]:
    """Return the cells inside each mask, or all cells if the mask is empty."""
    inside = (logits.flatten(2) >= 0).contiguous()
    return inside | ~inside.any(dim=2, keepdim=True)
