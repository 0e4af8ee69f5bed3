"""Encoded prompts by token group: padded, numbered by object, and aligned with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seemkit.nn.click_field import RegionFeatures
from seemkit.nn.mask_refiner import PromptPoints
from seemkit.nn.tokens import ABSENT, Group, Tokens, queries_for
from seemkit.prompts.prepared import PromptTokens


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """The encoded prompts of one token group.

    Groups that select among the same queries have the same `owners`.

    Attributes:
        tokens: tokens for the decoder, each owned by the object that its prompt describes.
        owners: int64 [B, P], the objects; `ABSENT` for padding.
        present: bool [B, P], whether this group describes the object; negative regions alone do not.
        pooled: [B, P, C], the vector of each object that queries are compared with.
        regions: for visual prompts, the mean features under their regions.
        points: for visual prompts, the points at which their regions were sampled.
    """

    tokens: Tokens
    owners: Int[Tensor, "B P"]
    present: Bool[Tensor, "B P"]
    pooled: Float[Tensor, "B P C"]
    regions: RegionFeatures | None = None
    points: PromptPoints | None = None


def number_objects(places: Sequence[tuple[int, int]], batch: int) -> Int[Tensor, "B P"]:
    """Return the objects of each image among the places (image, object), ascending, padded with `ABSENT`."""
    objects = [sorted({index for image, index in places if image == row}) for row in range(batch)]
    return pad_sequence([torch.tensor(row, dtype=torch.int64) for row in objects], True, ABSENT)


def pack(group: Group, entries: Sequence[tuple[PromptTokens, int, int]], batch: int) -> EncodedGroup:
    """Return the encoded group of prompts that made tokens; the pooled vectors of one object's prompts are averaged.

    Args:
        group: the group of the tokens.
        entries: tokens, image and object of each prompt.
        batch: B, number of images.
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
    """Return the tokens sampled in these images and the tokens that kinds made, as one group.

    The pooled vector of an object with both is the mean of the two vectors.
    """
    owners = unite([sampled.owners, own.owners])
    first, second = align(sampled, owners), align(own, owners)
    a, b = first.tokens, second.tokens
    values = [torch.cat(pair, dim=1) for pair in zip(a.values, b.values, strict=True)]
    tokens = Tokens(a.group, values, values, torch.cat((a.owner, b.owner), dim=2), torch.cat((a.valid, b.valid), dim=1))
    here, there = (part.present[..., None].to(part.pooled) for part in (first, second))
    mean = (here * first.pooled + there * second.pooled) / (here + there).clamp(min=1)
    pooled = mean.where(here + there > 0, first.pooled)
    return EncodedGroup(tokens, owners, first.present | second.present, pooled, first.regions, first.points)


def bring_into_line(groups: Mapping[str, EncodedGroup]) -> dict[str, EncodedGroup]:
    """Return the groups, aligned so that groups that select among the same queries have the same `owners`."""
    aligned = dict(groups)
    families: dict[Group | None, list[str]] = {}
    for name, group in groups.items():
        families.setdefault(queries_for(group.tokens.group), []).append(name)
    for names in families.values():
        if len(names) > 1:
            owners = unite([groups[name].owners for name in names])
            aligned |= {name: align(groups[name], owners) for name in names}
    return aligned


def align(group: EncodedGroup, owners: Int[Tensor, "B W"]) -> EncodedGroup:
    """Return the group with its vectors in the order of `owners`; zero for an owner that it does not have."""
    places = spread(group.owners, owners, group.pooled.dtype)
    regions = group.regions
    if regions is not None:
        regions = RegionFeatures(*(places @ part for part in (regions.positive, regions.negative, regions.counts)))
    present = (places @ group.present.to(places)[..., None])[..., 0] > 0
    return replace(group, owners=owners, present=present, pooled=places @ group.pooled, regions=regions)


def spread(owners: Int[Tensor, "B P"], wanted: Int[Tensor, "B W"], dtype: torch.dtype) -> Float[Tensor, "B W P"]:
    """Return 1 where an owner (column) equals a wanted owner (row), else 0."""
    return ((wanted[:, :, None] == owners[:, None, :]) & (wanted[:, :, None] != ABSENT)).to(dtype)


def unite(found: Sequence[Int[Tensor, "B P"]]) -> Int[Tensor, "B W"]:
    """Return the objects that occur in any of the inputs, ascending, padded with `ABSENT`."""
    rows = [
        torch.tensor(sorted({o for part in parts for o in part if o != ABSENT}), dtype=torch.int64)
        for parts in zip(*(owners.tolist() for owners in found), strict=True)
    ]
    return pad_sequence(rows, True, ABSENT).to(found[0].device)


def _pool(row: Sequence[tuple[PromptTokens, int]], owner: int, like: Tensor) -> Tensor:
    mine = [tokens.pooled for tokens, index in row if index == owner]
    return torch.stack(mine).mean(dim=0) if mine else torch.zeros_like(like)
