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
class SelectedQueries:
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
    anything = _present(groups)
    found = []
    for group in groups:
        if group.tokens.group.name == VISUAL_PROMPT.name:
            score = _exactly(group.pooled) @ _exactly(queries.masks).transpose(-1, -2)
        else:
            score = cosine_similarity(queries.classes, group.pooled, scale).transpose(-1, -2)
        found.append(score.where((group.present | ~anything)[..., None], 0.0))
    return torch.stack(found).sum(dim=0)


def select(
    layer: Mapping[str, Embeddings],
    prompts: Mapping[str, EncodedGroup],
    context: ImageContext,
    scale: Tensor,
    copies: int,
) -> SelectedQueries:
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
    asked = {by: groups for by in (VISUAL_QUERY, TEXT_QUERY) if (groups := family(prompts, by))}
    owners = unite([groups[0].owners for groups in asked.values()])
    exact = _exactly(queries.masks).dtype
    places = {by: spread(groups[0].owners, owners, exact) for by, groups in asked.items()}
    split = layer[VISUAL_QUERY.name].masks.shape[1] if VISUAL_QUERY.name in layer else 0
    allowed = torch.zeros(*owners.shape, queries.masks.shape[1], dtype=torch.bool, device=owners.device)
    for by, place in places.items():
        may = _may_answer(by, place.shape[2], split, queries.masks.shape[1], copies) if answering else None
        allowed |= (place.sum(dim=2, keepdim=True) if may is None else place @ may.to(place)) > 0
    fits = {by: place @ scores(queries, asked[by], scale) for by, place in places.items()}
    total = next(iter(fits.values())) if len(fits) == 1 else _sum(fits, asked, places, allowed)
    choice = total.masked_fill(~allowed, float("-inf")).argmax(dim=2)
    chosen = (part.gather(1, choice[..., None].expand(-1, -1, part.shape[2])) for part in queries)
    return SelectedQueries(owners, choice, Embeddings(*chosen), context)


def _exactly(vectors: Tensor) -> Tensor:
    """In float32 at least: a choice between queries that are alike is lost in half precision."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def _may_answer(by: Group, objects: int, split: int, total: int, copies: int) -> Bool[Tensor, "P N"]:
    """Which queries may answer for each object of a family: its own visual ones, or all text queries behind them."""
    may = torch.zeros(objects, total, dtype=torch.bool)
    if by == TEXT_QUERY:
        may[:, split:] = True
    else:
        may[:, :split] = torch.eye(objects, dtype=torch.bool).repeat_interleave(copies, dim=1)
    return may


def _sum(
    fits: Mapping[Group, Float[Tensor, "B W N"]],
    asked: Mapping[Group, Family],
    places: Mapping[Group, Float[Tensor, "B W P"]],
    allowed: Bool[Tensor, "B W N"],
) -> Float[Tensor, "B W N"]:
    """The sum of the log-probabilities of all families that say something about an object; if none does, of all."""
    says = {by: (place @ _present(asked[by])[..., None].to(place)) > 0 for by, place in places.items()}
    silent = ~torch.stack(list(says.values())).any(dim=0)
    parts = [
        fit.masked_fill(~allowed, float("-inf")).log_softmax(dim=2).where(says[by] | silent, 0.0)
        for by, fit in fits.items()
    ]
    return torch.stack(parts).sum(dim=0)


def _present(groups: Family) -> Bool[Tensor, "B P"]:
    """The objects that a family says something about."""
    return torch.stack([group.present for group in groups]).any(dim=0)
