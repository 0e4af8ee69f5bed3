"""The result of one decode, and values for the random choices of a decode."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings, mask_logits
from seemkit.prompts.groups import EncodedGroup


@dataclass(frozen=True, slots=True)
class Draws:
    """Values for the choices that the reference makes at random; None leaves a choice to seemkit.

    Attributes:
        queries: int64 [R], the object queries that the visual queries copy.
        memory: int64 [L, M], the object that each memory slot belongs to at each layer.
    """

    queries: Tensor | None = None
    memory: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of one decode.

    Attributes:
        layers: embeddings by query group. One entry, after the last layer; with `every_layer`, L + 1 entries: of the
            initial queries and after each layer.
        prompts: the encoded prompts by group name.
        context: the encoded images.
        previous: [B, P, H_m, W_m], mask logits of the previous round for the objects with visual prompts, or None.
    """

    layers: list[dict[str, Embeddings]]
    prompts: dict[str, EncodedGroup]
    context: ImageContext
    previous: Tensor | None = None

    def masks(self, group: str) -> Float[Tensor, "B N H W"]:
        """Return the final mask logits of all queries of a group, at the resolution of the mask features."""
        return mask_logits(self.layers[-1][group].masks, self.context.mask_features)
