"""Prediction heads: the class embedding and the mask embedding of a token."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.ops.memory_format import channels_last


class Embeddings(NamedTuple):
    """The predictions of the heads for N tokens.

    Attributes:
        classes: [B, N, C_text], class embeddings, compared with text embeddings by cosine.
        masks: [B, N, C_mask], mask embeddings; mask logits are their dot products with the mask features.
    """

    classes: Tensor
    masks: Tensor


class PredictionHeads(nn.Module):
    """The heads shared by all queries, applied to the initial queries and after every layer.

    Args:
        embed_dim: C, channels of the tokens.
        text_dim: channels of text embeddings.
        mask_dim: channels of the mask features.
    """

    def __init__(self, embed_dim: int, text_dim: int, mask_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.class_projection = nn.Parameter(torch.empty(embed_dim, text_dim))
        self.mask_embedding = nn.ModuleList(nn.Linear(embed_dim, out) for out in (embed_dim, embed_dim, mask_dim))
        nn.init.trunc_normal_(self.class_projection, std=embed_dim**-0.5)

    def classes(self, tokens: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C_text"]:
        """Return the class embeddings of the tokens."""
        return self.norm(tokens) @ self.class_projection

    def masks(self, tokens: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C_mask"]:
        """Return the mask embeddings of the tokens."""
        first, second, last = self.mask_embedding
        return last(F.relu(second(F.relu(first(self.norm(tokens))))))


def mask_logits(embeddings: Float[Tensor, "B N Cm"], features: Float[Tensor, "B Cm H W"]) -> Float[Tensor, "B N H W"]:
    """Return mask logits: each embedding's dot product with the features, at the positions of the features."""
    if features.device.type == "cpu" and embeddings.shape[1]:
        # the same as a convolution, which with few embeddings takes 0.5 to 0.8 of the time on a CPU
        images = zip(features.split(1), embeddings[..., None, None], strict=True)
        return torch.cat([F.conv2d(channels_last(image), kernels) for image, kernels in images])
    return torch.einsum("bnc,bchw->bnhw", embeddings, features)


def cosine_similarity(
    queries: Float[Tensor, "*B N C"], texts: Float[Tensor, "*T K C"], scale: Tensor
) -> Float[Tensor, "*B N K"]:
    """Return `scale` times the cosine of each query with each text, in float32 at least.

    1e-7 is added to the norms, as in the reference.
    """
    exact = torch.promote_types(queries.dtype, torch.float32)
    queries, texts = queries.to(exact), texts.to(exact)
    queries = queries / (queries.norm(dim=-1, keepdim=True) + 1e-7)
    texts = texts / (texts.norm(dim=-1, keepdim=True) + 1e-7)
    return scale * (queries @ texts.transpose(-1, -2))
