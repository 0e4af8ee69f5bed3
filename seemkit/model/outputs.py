"""What one decode of the network found, and what may be given to it in the place of random choices."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings, mask_logits
from seemkit.prompts.groups import EncodedGroup


@dataclass(frozen=True, slots=True)
class Draws:
    """The random choices of the reference, given instead of drawn: for comparing numbers.

    Attributes:
        queries: int64 [R], which object queries the visual queries copy.
        memory: int64 [L, M], the object that each memory slot belongs to at each layer.
    """

    queries: Tensor | None = None
    memory: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one decode found.

    Attributes:
        layers: embeddings of each query group (by name) after the last layer; if every layer was asked for, before it
            those of the initial queries and after each other layer.
        prompts: the encoded prompts by group name.
        context: what was decoded.
    """

    layers: list[dict[str, Embeddings]]
    prompts: dict[str, EncodedGroup]
    context: ImageContext

    def masks(self, group: str) -> Float[Tensor, "B N H W"]:
        """Final mask logits of all queries of a group, at the resolution of the mask features."""
        return mask_logits(self.layers[-1][group].masks, self.context.mask_features)
