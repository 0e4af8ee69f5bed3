"""One round of interaction: prompts, and the masks of the round before as memory, to one mask for each object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seemkit.model.outputs import Draws
from seemkit.model.query_selection import SelectedQueries
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.prompts.sampler import ImagePrompts


class RoundResult(NamedTuple):
    """What the network found in one round.

    Attributes:
        selected: the selected query of each object.
        masks: [B, P, H_m, W_m], its mask logits at the resolution of the mask features: the memory of the next round.
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
    """Return what the network finds for all prompts so far.

    Args:
        network: in evaluation mode, except in training.
        context: the encoded images.
        prompts: for each image its objects, for each object its prompts of all rounds.
        memory: the masks of the round before; None in the first round.
        draws: random choices of the reference.
    """
    decoded = network.decode(context, prompts, previous=memory, draws=draws)
    selected = network.select(decoded)
    return RoundResult(selected, selected.masks())
