"""Query selection: for each object, the query that fits all of its prompts best.

Visual prompts are compared with mask embeddings, texts with class embeddings. For an object that has both, the query
with the best combined score is selected, whether it is a visual or a text query. Source: SEEM (arXiv 2304.06718),
section 3.2, "compositional".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings, cosine_similarity, mask_logits
from seemkit.nn.tokens import OBJECT_QUERY, TEXT_QUERY, VISUAL_PROMPT, VISUAL_QUERY, Group, queries_for
from seemkit.ops.transfer import send
from seemkit.prompts.groups import EncodedGroup, owners_of, spread, unite

Family = Sequence[EncodedGroup]
"""Prompt groups that select among the same queries and have the same `owners`."""


@dataclass(frozen=True, slots=True)
class SelectedQueries:
    """The selected query of every prompted object.

    Attributes:
        owners: int64 [B, P], the objects, ascending; `ABSENT` for padding.
        choice: int64 [B, P], the index of the selected query among the visual queries followed by the text queries; in
            the composed table, among the object queries.
        queries: the embeddings of the selected queries, [B, P, C].
        context: the encoded images.
    """

    owners: Int[Tensor, "B P"]
    choice: Int[Tensor, "B P"]
    queries: Embeddings
    context: ImageContext

    def masks(self) -> Float[Tensor, "B P H W"]:
        """Return the mask logits of the selected queries only, at the resolution of the mask features."""
        return mask_logits(self.queries.masks, self.context.mask_features)


def family(prompts: Mapping[str, EncodedGroup], by: Group) -> Family:
    """Return the prompt groups that select among queries of the group `by`."""
    return [group for group in prompts.values() if queries_for(group.tokens.group) == by]


def scores(queries: Embeddings, groups: Family, scale: Tensor) -> Float[Tensor, "*L B P N"]:
    """Return the score of each query for each object, summed over the prompt groups.

    The score of a visual prompt is the dot product of the mask embedding and the features under the region. The score
    of any other prompt is the scaled cosine similarity of the class embedding and the prompt's vector.

    Args:
        queries: N queries.
        groups: a family, not empty.
        scale: factor on the cosine similarity.
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
    """Return the best query for each object.

    The candidates are the object's own visual queries if it has visual prompts, and all text queries if it has texts;
    with the composed table, all object queries. Each family of prompts contributes one log-probability per candidate;
    the candidate with the largest sum is selected. If an object has a text, visual prompts that are all negative do
    not contribute.

    Args:
        layer: embeddings by query group.
        prompts: encoded prompts by group name, at least one group.
        context: the encoded images.
        scale: factor on the cosine similarity between class embeddings and texts.
        copies: number of visual queries per object.
    """
    families = {by: groups for by in (VISUAL_QUERY, TEXT_QUERY) if (groups := family(prompts, by))}
    objects = unite([groups[0].objects for groups in families.values()])
    owners = owners_of(objects, context.mask_features.device)
    queries = _candidates(layer)
    votes = []
    for by, groups in families.items():
        place = spread(groups[0].owners, owners, _exactly(queries.masks).dtype)
        votes.append(
            Vote(
                scores=place @ scores(queries, groups, scale),
                allowed=_allowed(by, layer, place, copies),
                speaks=(place @ _present(groups)[..., None].to(place)) > 0,
            )
        )
    choice = _choose(votes)
    chosen = (part.gather(1, choice[..., None].expand(-1, -1, part.shape[2])) for part in queries)
    return SelectedQueries(owners, choice, Embeddings(*chosen), context)


class Vote(NamedTuple):
    """The scores that one family of prompts gives to the queries.

    Attributes:
        scores: [B, W, N], the score of each query for each object.
        allowed: bool [B, W, N], whether a query is a candidate for an object.
        speaks: bool [B, W, 1], whether the family describes the object.
    """

    scores: Tensor
    allowed: Tensor
    speaks: Tensor


def _candidates(layer: Mapping[str, Embeddings]) -> Embeddings:
    """Return the visual queries followed by the text queries; the object queries if there are neither."""
    groups = [layer[by.name] for by in (VISUAL_QUERY, TEXT_QUERY) if by.name in layer] or [layer[OBJECT_QUERY.name]]
    return Embeddings(*(torch.cat(parts, dim=1) for parts in zip(*groups, strict=True)))


def _allowed(
    by: Group, layer: Mapping[str, Embeddings], place: Float[Tensor, "B W P"], copies: int
) -> Bool[Tensor, "B W N"]:
    """Return the candidates of each object among all queries, for a family that selects among the group `by`.

    Args:
        by: the query group.
        layer: embeddings by query group.
        place: 1 where an object of the family (column) is the object of the result (row).
        copies: number of visual queries per object.
    """
    if by.name not in layer:  # the composed table
        return (place.sum(dim=2, keepdim=True) > 0).expand(-1, -1, layer[OBJECT_QUERY.name].masks.shape[1])
    visual, text = (layer[g.name].masks.shape[1] if g.name in layer else 0 for g in (VISUAL_QUERY, TEXT_QUERY))
    objects = place.shape[2]
    own = _own_visual_queries(objects, copies, text) if by == VISUAL_QUERY else _all_text_queries(objects, visual, text)
    return (place @ send(own.to(place.dtype), place.device)) > 0


def _own_visual_queries(objects: int, copies: int, text: int) -> Bool[Tensor, "P N"]:
    """Return each object's own `copies` visual queries; the `text` queries after them are not allowed."""
    return F.pad(torch.eye(objects, dtype=torch.bool).repeat_interleave(copies, dim=1), (0, text))


def _all_text_queries(objects: int, visual: int, text: int) -> Bool[Tensor, "P N"]:
    """Return all text queries for each object; the `visual` queries before them are not allowed."""
    return (torch.arange(visual + text) >= visual).expand(objects, -1)


def _choose(votes: Sequence[Vote]) -> Int[Tensor, "B W"]:
    """Return the index of the best candidate for each object."""
    allowed = torch.stack([vote.allowed for vote in votes]).any(dim=0)
    if len(votes) == 1:
        return votes[0].scores.masked_fill(~allowed, float("-inf")).argmax(dim=2)
    silent = ~torch.stack([vote.speaks for vote in votes]).any(dim=0)
    total = torch.stack([
        vote.scores.masked_fill(~allowed, float("-inf")).log_softmax(dim=2).where(vote.speaks | silent, 0.0)
        for vote in votes
    ]).sum(dim=0)  # fmt: skip
    return total.masked_fill(~allowed, float("-inf")).argmax(dim=2)


def _exactly(vectors: Tensor) -> Tensor:
    """Return the vectors in float32 or better, because half precision cannot separate similar queries."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def _present(groups: Family) -> Bool[Tensor, "B P"]:
    """Return whether a family describes each object."""
    return torch.stack([group.present for group in groups]).any(dim=0)
