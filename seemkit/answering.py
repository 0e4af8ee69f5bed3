"""Which query answers for an object: every prompt of the object has a say.

Visual prompts are matched by mask embedding, texts by class embedding; an object that has both is answered by the query
that both together like best, be it a visual or a text query. Source: SEEM (arXiv 2304.06718), section 3.2,
"compositional".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings, cosine_similarity, mask_logits
from seemkit.nn.tokens import OBJECT_QUERY, TEXT_QUERY, VISUAL_PROMPT, VISUAL_QUERY, Group, answered_by
from seemkit.prompts.groups import EncodedGroup, spread, unite

Family = Sequence[EncodedGroup]
"""Groups of prompts that the same queries answer, with the same `owners`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The chosen query of every prompted object.

    Attributes:
        owners: int64 [B, P], the objects, ascending; `ABSENT` for padding.
        choice: int64 [B, P], the chosen query, counted over the visual queries and behind them the text queries; of the
            composed table, over the object queries.
        queries: the chosen queries' embeddings, [B, P, C].
        context: what was decoded.
    """

    owners: Int[Tensor, "B P"]
    choice: Int[Tensor, "B P"]
    queries: Embeddings
    context: ImageContext

    def masks(self) -> Float[Tensor, "B P H W"]:
        """Mask logits of the chosen queries, at the resolution of the mask features; no other mask is computed."""
        return mask_logits(self.queries.masks, self.context.mask_features)


def family(prompts: Mapping[str, EncodedGroup], by: Group) -> Family:
    """The groups of prompts that queries of the group `by` answer."""
    return [group for group in prompts.values() if answered_by(group.tokens.group) == by]


def scores(queries: Embeddings, groups: Family, scale: Tensor) -> Float[Tensor, "*L B P N"]:
    """How well each query fits each object, summed over the groups of prompts.

    For visual prompts it is the dot product of mask embedding and the features under the region, for all others the
    cosine of class embedding and the prompt's vector.

    Args:
        queries: N queries.
        groups: a family that is not empty.
        scale: factor on the cosine.
    """
    found = []
    for group in groups:
        if group.tokens.group.name == VISUAL_PROMPT.name:
            score = group.pooled @ queries.masks.transpose(-1, -2)
        else:
            score = cosine_similarity(queries.classes, group.pooled, scale).transpose(-1, -2)
        found.append(score if len(groups) == 1 else score.where(group.present[..., None], 0.0))
    return torch.stack(found).sum(dim=0)


def answer(
    layer: Mapping[str, Embeddings],
    prompts: Mapping[str, EncodedGroup],
    context: ImageContext,
    scale: Tensor,
    copies: int,
) -> Answer:
    """The best query for each object.

    Its own visual queries answer for an object with visual prompts, all text queries for one with texts. Of those that
    may answer, the one with the largest sum of log-probabilities is chosen; each family of prompts gives one. Visual
    prompts that are all negative have no say if there is a text.

    Args:
        layer: embeddings by query group; if there are neither visual nor text queries, object queries answer.
        prompts: at least one group.
        context: what was decoded.
        scale: of the cosine between class embeddings and texts.
        copies: visual queries an object.
    """
    answering = [by for by in (VISUAL_QUERY, TEXT_QUERY) if by.name in layer]
    found = [layer[by.name] for by in answering or (OBJECT_QUERY,)]
    queries = Embeddings(*(torch.cat(parts, dim=1) for parts in zip(*found, strict=True)))
    asked = [(by, groups) for by in (VISUAL_QUERY, TEXT_QUERY) if (groups := family(prompts, by))]
    owners = unite([groups[0].owners for _, groups in asked])
    places = [spread(groups[0].owners, owners, queries.masks.dtype) for _, groups in asked]
    sizes = [0 if part is None else part.masks.shape[1] for part in (layer.get(VISUAL_QUERY.name), queries)]
    may = [_may_answer(by, groups[0].owners.shape[1], sizes, copies, bool(answering)) for by, groups in asked]
    allowed = torch.stack([(p @ m.to(p)) > 0 for p, m in zip(places, may, strict=True)]).any(dim=0)
    parts = [
        (place @ scores(queries, groups, scale)).masked_fill(~allowed, float("-inf"))
        for (_, groups), place in zip(asked, places, strict=True)
    ]
    if len(parts) > 1:
        says = [
            (place @ _present(groups)[..., None].to(place)) > 0
            for (_, groups), place in zip(asked, places, strict=True)
        ]
        parts = [part.log_softmax(dim=2).where(say, 0.0) for part, say in zip(parts, says, strict=True)]
    choice = torch.stack(parts).sum(dim=0).masked_fill(~allowed, float("-inf")).argmax(dim=2)
    chosen = (part.gather(1, choice[..., None].expand(-1, -1, part.shape[2])) for part in queries)
    return Answer(owners, choice, Embeddings(*chosen), context)


def _may_answer(by: Group, objects: int, sizes: Sequence[int], copies: int, owned: bool) -> Bool[Tensor, "P N"]:
    """Which queries may answer for each object of a family: its own, or all text queries, or all there are."""
    visual, total = sizes
    may = torch.zeros(objects, total, dtype=torch.bool)
    if not owned:
        may[:] = True
    elif by == TEXT_QUERY:
        may[:, visual:] = True
    else:
        may[:, :visual] = torch.eye(objects, dtype=torch.bool).repeat_interleave(copies, dim=1)
    return may


def _present(groups: Family) -> Bool[Tensor, "B P"]:
    """The objects that a family says something about."""
    return torch.stack([group.present for group in groups]).any(dim=0)
