"""Encoded prompts by token group: padded, numbered by object, and aligned with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seemkit.nn.click_field import RegionFeatures
from seemkit.nn.mask_refiner import PromptPoints
from seemkit.nn.tokens import ABSENT, Group, Tokens, queries_for
from seemkit.ops.transfer import send
from seemkit.prompts.prepared import PromptTokens

Objects = Sequence[Sequence[int]]
"""The numbers of each image's objects, ascending."""


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """The encoded prompts of one token group.

    Groups that select among the same queries have the same `owners`.

    Attributes:
        tokens: tokens for the decoder, each owned by the object that its prompt describes.
        objects: the objects of each image, ascending, on the host.
        owners: int64 [B, P], the same, padded with `ABSENT`.
        present: bool [B, P], whether this group describes the object; negative regions alone do not.
        pooled: [B, P, C], the vector of each object that queries are compared with.
        regions: for visual prompts, the mean features under their regions.
        points: for visual prompts, the points at which their regions were sampled.
    """

    tokens: Tokens
    objects: Objects
    owners: Int[Tensor, "B P"]
    present: Bool[Tensor, "B P"]
    pooled: Float[Tensor, "B P C"]
    regions: RegionFeatures | None = None
    points: PromptPoints | None = None


def objects_at(places: Iterable[tuple[int, int]], batch: int) -> Objects:
    """Return the objects of each image among the places (image, object), ascending."""
    found: list[set[int]] = [set() for _ in range(batch)]
    for image, index in places:
        found[image].add(index)
    return [sorted(one) for one in found]


def owners_of(objects: Objects, device: torch.device) -> Int[Tensor, "B P"]:
    """Return the objects of each image as a tensor, padded with `ABSENT`."""
    return send(pad_sequence([torch.tensor(row, dtype=torch.int64) for row in objects], True, ABSENT), device)


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
    objects = objects_at(((image, index) for _, image, index in entries), batch)
    owners = owners_of(objects, device)
    owner = [torch.tensor([i for t, i in row for _ in t.values[0]], dtype=torch.int64) for row in rows]
    values = [
        pad_sequence(
            [torch.cat([t.values[level] for t, _ in row]) if row else like.values[0][:0] for row in rows], True
        )
        for level in range(len(like.values))
    ]
    pooled = pad_sequence(
        [
            torch.stack([_pool(row, index) for index in mine]) if mine else like.pooled.new_zeros((0, len(like.pooled)))
            for mine, row in zip(objects, rows, strict=True)
        ],
        True,
    )
    owner_padded = send(pad_sequence(owner, True, ABSENT), device)
    tokens = Tokens(group, values, values, owner_padded[None], owner_padded != ABSENT)
    return EncodedGroup(tokens, objects, owners, owners != ABSENT, pooled)


def join(sampled: EncodedGroup, own: EncodedGroup) -> EncodedGroup:
    """Return the tokens sampled in these images and the tokens that kinds made, as one group.

    The pooled vector of an object with both is the mean of the two vectors.
    """
    objects = unite([sampled.objects, own.objects])
    first, second = align(sampled, objects), align(own, objects)
    a, b = first.tokens, second.tokens
    values = [torch.cat(pair, dim=1) for pair in zip(a.values, b.values, strict=True)]
    tokens = Tokens(a.group, values, values, torch.cat((a.owner, b.owner), dim=2), torch.cat((a.valid, b.valid), dim=1))
    here, there = (part.present[..., None].to(part.pooled) for part in (first, second))
    mean = (here * first.pooled + there * second.pooled) / (here + there).clamp(min=1)
    pooled = mean.where(here + there > 0, first.pooled)
    present = first.present | second.present
    return EncodedGroup(tokens, objects, first.owners, present, pooled, first.regions, first.points)


def bring_into_line(groups: Mapping[str, EncodedGroup]) -> dict[str, EncodedGroup]:
    """Return the groups, aligned so that groups that select among the same queries have the same `owners`."""
    aligned = dict(groups)
    families: dict[Group | None, list[str]] = {}
    for name, group in groups.items():
        families.setdefault(queries_for(group.tokens.group), []).append(name)
    for names in families.values():
        if len(names) > 1:
            objects = unite([groups[name].objects for name in names])
            aligned |= {name: align(groups[name], objects) for name in names}
    return aligned


def align(group: EncodedGroup, objects: Objects) -> EncodedGroup:
    """Return the group with its vectors in the order of `objects`; zero for an object that it does not have."""
    owners = owners_of(objects, group.owners.device)
    places = spread(group.owners, owners, group.pooled.dtype)
    regions = group.regions
    if regions is not None:
        regions = RegionFeatures(*(places @ part for part in (regions.positive, regions.negative, regions.counts)))
    present = (places @ group.present.to(places)[..., None])[..., 0] > 0
    pooled = places @ group.pooled
    return replace(group, objects=objects, owners=owners, present=present, pooled=pooled, regions=regions)


def spread(owners: Int[Tensor, "B P"], wanted: Int[Tensor, "B W"], dtype: torch.dtype) -> Float[Tensor, "B W P"]:
    """Return 1 where an owner (column) equals a wanted owner (row), else 0."""
    return ((wanted[:, :, None] == owners[:, None, :]) & (wanted[:, :, None] != ABSENT)).to(dtype)


def unite(found: Sequence[Objects]) -> Objects:
    """Return the objects of each image that occur in any of the inputs, ascending."""
    return [sorted(set().union(*parts)) for parts in zip(*found, strict=True)]


def _pool(row: Sequence[tuple[PromptTokens, int]], owner: int) -> Tensor:
    return torch.stack([tokens.pooled for tokens, index in row if index == owner]).mean(dim=0)
