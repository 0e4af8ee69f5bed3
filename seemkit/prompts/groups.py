"""Encoded prompts by token group: padded, numbered by object, and brought into line with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seemkit.nn.click_field import RegionFeatures
from seemkit.nn.tokens import ABSENT, Group, Tokens, answered_by
from seemkit.prompts.prepared import PromptTokens


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """The prompts of one token group.

    Groups that the same queries answer have the same `owners`.

    Attributes:
        tokens: for the decoder; each is owned by the object that it was given for.
        owners: int64 [B, P], the objects that these queries answer for; `ABSENT` for padding.
        present: bool [B, P], whether prompts of this group say what the object is like; negative regions do not.
        pooled: [B, P, C], the vector of each such object that queries are compared with.
        regions: for visual prompts, the features under them.
    """

    tokens: Tokens
    owners: Int[Tensor, "B P"]
    present: Bool[Tensor, "B P"]
    pooled: Float[Tensor, "B P C"]
    regions: RegionFeatures | None = None


def number_objects(places: Sequence[tuple[int, int]], batch: int) -> Int[Tensor, "B P"]:
    """The objects of each image that occur among places (image, object), ascending, padded with `ABSENT`."""
    objects = [sorted({index for image, index in places if image == row}) for row in range(batch)]
    return pad_sequence([torch.tensor(row, dtype=torch.int64) for row in objects], True, ABSENT)


def pack(group: Group, entries: Sequence[tuple[PromptTokens, int, int]], batch: int) -> EncodedGroup:
    """Prompts with their own tokens, padded; the pooled vectors of one object's prompts are averaged.

    Args:
        group: what the tokens are.
        entries: for each prompt its tokens, its image and its object.
        batch: B, images.
    """
    rows: list[list[tuple[PromptTokens, int]]] = [[] for _ in range(batch)]
    for made, image, index in entries:
        rows[image].append((made, index))
    like = entries[0][0]
    device = like.values[0].device
    owners = number_objects([(image, index) for _, image, index in entries], batch)
    owner = [torch.tensor([i for t, i in row for _ in t.values[0]], dtype=torch.int64) for row in rows]
    values = [
        pad_sequence(
            [torch.cat([t.values[level] for t, _ in row]) if row else like.values[0][:0] for row in rows], True
        )
        for level in range(len(like.values))
    ]
    pooled = torch.stack(
        [torch.stack([_pool(row, int(o), like.pooled) for o in owners[b]]) for b, row in enumerate(rows)]
    )
    owner_padded, owners = pad_sequence(owner, True, ABSENT).to(device), owners.to(device)
    tokens = Tokens(group, values, values, owner_padded[None], owner_padded != ABSENT)
    return EncodedGroup(tokens, owners, owners != ABSENT, pooled)


def join(sampled: EncodedGroup, own: EncodedGroup) -> EncodedGroup:
    """Tokens sampled in these images and tokens of kinds that made their own, as one group.

    An object that has both is compared by the mean of both vectors.
    """
    owners = unite([sampled.owners, own.owners])
    first, second = align(sampled, owners), align(own, owners)
    a, b = first.tokens, second.tokens
    values = [torch.cat(pair, dim=1) for pair in zip(a.values, b.values, strict=True)]
    tokens = Tokens(a.group, values, values, torch.cat((a.owner, b.owner), dim=2), torch.cat((a.valid, b.valid), dim=1))
    here, there = (part.present[..., None].to(part.pooled) for part in (first, second))
    mean = (here * first.pooled + there * second.pooled) / (here + there).clamp(min=1)
    pooled = mean.where(here + there > 0, first.pooled)
    return EncodedGroup(tokens, owners, first.present | second.present, pooled, first.regions)


def bring_into_line(groups: Mapping[str, EncodedGroup]) -> dict[str, EncodedGroup]:
    """The same groups, where those that the same queries answer share their `owners`."""
    aligned = dict(groups)
    families: dict[Group | None, list[str]] = {}
    for name, group in groups.items():
        families.setdefault(answered_by(group.tokens.group), []).append(name)
    for names in families.values():
        if len(names) > 1:
            owners = unite([groups[name].owners for name in names])
            aligned |= {name: align(groups[name], owners) for name in names}
    return aligned


def align(group: EncodedGroup, owners: Int[Tensor, "B W"]) -> EncodedGroup:
    """The group with its vectors in the places of these owners, zero where it has none."""
    places = spread(group.owners, owners, group.pooled.dtype)
    regions = group.regions
    if regions is not None:
        regions = RegionFeatures(*(places @ part for part in (regions.positive, regions.negative, regions.counts)))
    present = (places @ group.present.to(places)[..., None])[..., 0] > 0
    return replace(group, owners=owners, present=present, pooled=places @ group.pooled, regions=regions)


def spread(owners: Int[Tensor, "B P"], wanted: Int[Tensor, "B W"], dtype: torch.dtype) -> Float[Tensor, "B W P"]:
    """1 where an owner (column) is the wanted one (row), else 0."""
    return ((wanted[:, :, None] == owners[:, None, :]) & (wanted[:, :, None] != ABSENT)).to(dtype)


def unite(found: Sequence[Int[Tensor, "B P"]]) -> Int[Tensor, "B W"]:
    """The objects that occur in any of these, ascending, padded with `ABSENT`."""
    rows = [
        torch.tensor(sorted({o for part in parts for o in part if o != ABSENT}), dtype=torch.int64)
        for parts in zip(*(owners.tolist() for owners in found), strict=True)
    ]
    return pad_sequence(rows, True, ABSENT).to(found[0].device)


def _pool(row: Sequence[tuple[PromptTokens, int]], owner: int, like: Tensor) -> Tensor:
    mine = [tokens.pooled for tokens, index in row if index == owner]
    return torch.stack(mine).mean(dim=0) if mine else torch.zeros_like(like)
