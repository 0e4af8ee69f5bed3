"""One round of interaction: from prompts and the previous round's masks to one mask for each object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.model.outputs import Draws
from seemkit.model.query_selection import SelectedQueries
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings
from seemkit.nn.tokens import OBJECT_QUERY
from seemkit.prompts.sampler import ImagePrompts


class RoundResult(NamedTuple):
    """The network's result of one round.

    Attributes:
        selected: the selected query of each object.
        masks: [B, P, H_m, W_m], mask logits of the selected queries at the resolution of the mask features, which are
            the memory of the next round.
    """

    selected: SelectedQueries
    masks: Float[Tensor, "B P H W"]


@torch.no_grad()
def play_round(
    network: SEEM,
    context: ImageContext,
    prompts: Sequence[ImagePrompts],
    memory: Float[Tensor, "B P H W"] | None = None,
    draws: Draws | None = None,
) -> RoundResult:
    """Return the network's result for all prompts so far.

    Args:
        network: the network, in evaluation mode except in training.
        context: the encoded images.
        prompts: prompts of all rounds, by image and object.
        memory: masks of the previous round; None in the first round.
        draws: values for the random choices; see `Draws`.
    """
    decoded = network.decode(context, prompts, previous=memory, draws=draws)
    selected = network.select(decoded)
    return RoundResult(selected, network.masks(decoded, selected))


@torch.no_grad()
def play_example(network: SEEM, context: ImageContext, example: Float[Tensor, " C"]) -> RoundResult:
    """Return the object query that is most like an example, as the result of a first round.

    Args:
        network: the network, in evaluation mode.
        context: one encoded image.
        example: class embedding of the example.
    """
    found = network.decode(context, objects=True).layers[-1][OBJECT_QUERY.name]
    alike = F.cosine_similarity(example, found.classes[0], dim=-1)
    if network.vocabulary is not None:
        background = network.class_logits(found, network.embed_vocabulary(network.vocabulary))[0].softmax(dim=-1)[:, -1]
        alike = alike * (1 - background)
    best = alike.argmax()[None]
    queries = Embeddings(*(part[:, best] for part in found))
    owners = torch.zeros((1, 1), dtype=torch.int64, device=best.device)
    selected = SelectedQueries(owners, best[None], queries, context)
    return RoundResult(selected, selected.masks())
