"""The visual sampler: prompts of any kinds to token groups.

It holds one encoder of every installed kind, unites the regions of each object, samples features under them, and pads
and numbers everything for the decoder. Source: SEEM (arXiv 2304.06718), section 3.1, "visual sampler".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from seemkit.errors import InputError
from seemkit.nn.click_field import RegionFeatures
from seemkit.nn.context import ImageContext
from seemkit.nn.tokens import ABSENT, SHARED, TEXT_PROMPT, VISUAL_PROMPT, Group, Tokens
from seemkit.ops.region import Pixels, Region, sample_pixels, thin
from seemkit.prompts.encoder import PromptContext, PromptEncoder, PromptTokens, RegionPrompt
from seemkit.prompts.registry import Registry
from seemkit.prompts.values import Prompt

MAX_POINTS = 512
"""Most sampled points of one sign in an image (the reference's budget, shared evenly by its objects)."""

ObjectPrompts = Sequence[Prompt]
"""The prompts that describe one object."""

ImagePrompts = Sequence[ObjectPrompts]
"""The objects of one image."""


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """The prompts of one token group.

    Attributes:
        tokens: for the decoder.
        owners: int64 [B, P], which objects have prompts of this group; `ABSENT` for padding.
        pooled: [B, P, C], the vector of each such object that queries are compared with.
        regions: for visual prompts, the features under them.
    """

    tokens: Tokens
    owners: Tensor
    pooled: Tensor
    regions: RegionFeatures | None = None


class VisualSampler(nn.Module):
    """Prompts to tokens.

    Args:
        width: C, channels of the tokens.
        registry: the installed kinds.
        options: constructor arguments of single kinds, by name.
        unmarked: every component of the vector of an object without positive points (the reference: -1, in v0 0).
    """

    def __init__(
        self, width: int, registry: Registry, options: Mapping[str, Mapping[str, Any]], unmarked: float = -1.0
    ) -> None:
        super().__init__()
        for name in options:
            registry[name]
        self.registry = registry
        self.unmarked = unmarked
        self.encoders = nn.ModuleDict(
            {name: kind.encoder(width, **options.get(name, {})) for name, kind in registry.kinds.items()}
        )
        self.level_projection = nn.ParameterList(torch.empty(width, width) for _ in range(3))
        self.sign = nn.Embedding(2, width)
        for projection in self.level_projection:
            nn.init.trunc_normal_(projection, std=width**-0.5)

    def encoder(self, prompt: Prompt) -> PromptEncoder[Any]:
        """The encoder that takes this prompt."""
        return self.kind(self.registry.kind_of(prompt))

    def kind(self, name: str) -> PromptEncoder[Any]:
        """The encoder of that name.

        Raises:
            InputError: there is none; the message lists those that are installed.
        """
        self.registry[name]
        found = self.encoders[name]
        assert isinstance(found, PromptEncoder)
        return found

    def forward(self, prompts: Sequence[ImagePrompts], context: PromptContext) -> dict[str, EncodedGroup]:
        """The prompts of B images as token groups, by group name; only groups that have prompts.

        Args:
            prompts: for each image its objects, for each object its prompts.
            context: the encoded images and the text tower.

        Raises:
            InputError: a prompt lies outside its image, is empty, or is of a kind that is not installed.
        """
        if len(prompts) != len(context.images):
            raise InputError(f"prompts are given for {len(prompts)} images, but {len(context.images)} are encoded")
        regions: dict[tuple[int, int], list[Region]] = defaultdict(list)
        others: dict[str, list[tuple[Prompt, int, int]]] = defaultdict(list)
        for image, objects in enumerate(prompts):
            for index, described in enumerate(objects):
                for prompt in described:
                    encoder = self.encoder(prompt)
                    size = context.images.frames[image]
                    encoder.check(prompt, size)
                    if isinstance(encoder, RegionPrompt):
                        regions[image, index].append(encoder.region(prompt, size))
                    else:
                        others[encoder.kind].append((prompt, image, index))
        groups = self._own_tokens(others, context)
        if regions:
            united = {place: Region.union(parts) for place, parts in regions.items()}
            sampled = self._sample(united, context.images)
            own = groups.get(VISUAL_PROMPT.name)
            groups[VISUAL_PROMPT.name] = sampled if own is None else _join(sampled, own)
        return groups

    def describe(self, prompts: Sequence[Prompt], image: ImageContext) -> PromptTokens:
        """The tokens of one region, to be used in any image.

        Args:
            prompts: what marks the region.
            image: the one encoded image that it lies in.

        Raises:
            InputError: a prompt lies outside the image, or is of a kind that marks no pixels.
        """
        parts = []
        for prompt in prompts:
            encoder = self.encoder(prompt)
            encoder.check(prompt, image.frames[0])
            if not isinstance(encoder, RegionPrompt):
                raise InputError(f"prompt kind {encoder.kind!r} marks no pixels, so it describes no region of an image")
            parts.append(encoder.region(prompt, image.frames[0]))
        sampled = self._sample({(0, 0): Region.union(parts)}, image)
        return PromptTokens([values[0] for values in sampled.tokens.values], sampled.pooled[0, 0])

    def _own_tokens(
        self, found: Mapping[str, Sequence[tuple[Prompt, int, int]]], context: PromptContext
    ) -> dict[str, EncodedGroup]:
        """The groups of kinds that make their own tokens."""
        placed: dict[Group, list[tuple[PromptTokens, int, int]]] = defaultdict(list)
        for kind, entries in found.items():
            encoder = self.kind(kind)
            values = [prompt for prompt, _, _ in entries]
            encoded = encoder.encode(values, [image for _, image, _ in entries], context)
            for tokens, (_, image, index) in zip(encoded, entries, strict=True):
                placed[encoder.group].append((tokens, image, index))
        return {group.name: _pack(group, entries, len(context.images)) for group, entries in placed.items()}

    def _sample(self, regions: Mapping[tuple[int, int], Region], images: ImageContext) -> EncodedGroup:
        """The visual prompt group: features of every level under the regions."""
        device = images.mask_features.device
        owners = _owners([place for place, _ in regions.items()], len(images)).to(device)
        points = _gather_points(regions, len(images))
        pixels = (points.pixels * _frame_scale(images)).to(device)
        slot, positive = points.slot.to(device), points.positive.to(device)
        valid = slot >= 0
        values = []
        for level, shape, projection in zip(images.levels, images.shapes, self.level_projection, strict=True):
            plane = (level @ projection).transpose(1, 2).unflatten(2, tuple(shape))
            values.append(sample_pixels(plane, pixels, images.padded) + self.sign((~positive).long()))
        owner = owners.gather(1, slot.clamp(min=0)).where(valid, ABSENT)
        tokens = Tokens(VISUAL_PROMPT, values, values, owner[None], valid)
        features = sample_pixels(images.mask_features, pixels, images.padded)
        means, counts = zip(
            *(_means(features, slot, valid & (positive == sign), owners.shape[1]) for sign in (True, False)),
            strict=True,
        )
        pooled = means[0].where(counts[0][..., None] > 0, self.unmarked)
        return EncodedGroup(tokens, owners, pooled, RegionFeatures(means[0], means[1], torch.stack(counts, dim=-1)))


@dataclass(frozen=True, slots=True)
class _Points:
    """Padded points of B images: pixels [B, N, 2] (row, column), slot [B, N] (-1 padding), positive [B, N]."""

    pixels: Tensor
    slot: Tensor
    positive: Tensor


def _owners(places: Sequence[tuple[int, int]], batch: int) -> Tensor:
    """The objects of each image that have prompts, int64 [B, P], in ascending order, padded with `ABSENT`."""
    objects = [sorted({index for image, index in places if image == row}) for row in range(batch)]
    return pad_sequence([torch.tensor(row, dtype=torch.int64) for row in objects], True, ABSENT)


def _gather_points(regions: Mapping[tuple[int, int], Region], batch: int) -> _Points:
    """The points of all regions, positives first, each image's budget of `MAX_POINTS` shared by its objects."""
    rows: list[list[tuple[Pixels, int, bool]]] = [[] for _ in range(batch)]
    for image in range(batch):
        mine = [regions[place] for place in sorted(regions) if place[0] == image]
        for positive in (True, False):
            parts = [region.positive if positive else region.negative for region in mine]
            most = MAX_POINTS if sum(map(len, parts)) <= MAX_POINTS else MAX_POINTS // len(mine)
            rows[image] += [(thin(part, most), slot, positive) for slot, part in enumerate(parts)]
    longest = max(sum(len(part) for part, _, _ in row) for row in rows)
    pixels = np.zeros((batch, longest, 2), dtype=np.float32)
    slots = np.full((batch, longest), -1, dtype=np.int64)
    signs = np.zeros((batch, longest), dtype=np.bool_)
    for image, row in enumerate(rows):
        start = 0
        for part, slot, positive in row:
            here = np.s_[image, start : start + len(part)]
            pixels[here], slots[here], signs[here] = part, slot, positive
            start += len(part)
    return _Points(torch.from_numpy(pixels), torch.from_numpy(slots), torch.from_numpy(signs))


def _frame_scale(images: ImageContext) -> Tensor:
    """The factors [B, 1, 2] from (row, column) of the original images to those of the network's input."""
    return torch.tensor(
        [[[s.height / f.height, s.width / f.width]] for s, f in zip(images.sizes, images.frames, strict=True)]
    )


def _means(features: Float[Tensor, "B N C"], slot: Tensor, chosen: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """The mean [B, P, C] of the chosen points of each slot and their number [B, P]; zero where there is none."""
    weight = (slot[:, None, :] == torch.arange(objects, device=slot.device)[None, :, None]) & chosen[:, None, :]
    count = weight.sum(dim=2)
    total = weight.to(features.dtype) @ features
    return total / count.clamp(min=1)[..., None], count.to(features.dtype)


def _pack(group: Group, entries: Sequence[tuple[PromptTokens, int, int]], batch: int) -> EncodedGroup:
    """Prompts with their own tokens, padded; the pooled vectors of one object's prompts are averaged."""
    owners = _owners([(image, index) for _, image, index in entries], batch)
    rows: list[list[tuple[PromptTokens, int]]] = [[] for _ in range(batch)]
    for made, image, index in entries:
        rows[image].append((made, index))
    like = entries[0][0]
    shared = group == TEXT_PROMPT  # the reference lets the sentences of an image see each other
    owner = [
        torch.cat([torch.full((len(t.values[0]),), SHARED if shared else i) for t, i in row]) if row else owners[0, :0]
        for row in rows
    ]
    values = [
        pad_sequence(
            [torch.cat([t.values[level] for t, _ in row]) if row else like.values[0][:0] for row in rows], True
        )
        for level in range(len(like.values))
    ]
    owner_padded = pad_sequence(owner, True, ABSENT).to(values[0].device)
    pooled = torch.stack(
        [torch.stack([_pool(row, int(o), like.pooled) for o in owners[b]]) for b, row in enumerate(rows)]
    )
    tokens = Tokens(group, values, values, owner_padded[None], owner_padded != ABSENT)
    return EncodedGroup(tokens, owners.to(values[0].device), pooled)


def _pool(row: Sequence[tuple[PromptTokens, int]], owner: int, like: Tensor) -> Tensor:
    mine = [tokens.pooled for tokens, index in row if index == owner]
    return torch.stack(mine).mean(dim=0) if mine else torch.zeros_like(like)


def _join(sampled: EncodedGroup, own: EncodedGroup) -> EncodedGroup:
    """Tokens sampled in these images and tokens of kinds that made their own, as one group.

    An object that has both is compared by the mean of both vectors.
    """
    pairs = zip(sampled.owners.tolist(), own.owners.tolist(), strict=True)
    rows = [sorted({o for o in (*first, *second) if o != ABSENT}) for first, second in pairs]
    owners = pad_sequence([torch.tensor(row, dtype=torch.int64) for row in rows], True, ABSENT).to(own.owners.device)
    a, b = sampled.tokens, own.tokens
    values = [torch.cat(pair, dim=1) for pair in zip(a.values, b.values, strict=True)]
    tokens = Tokens(a.group, values, values, torch.cat((a.owner, b.owner), dim=2), torch.cat((a.valid, b.valid), dim=1))
    here, there = _places(owners, sampled.owners, a.values[0].dtype), _places(owners, own.owners, a.values[0].dtype)
    count = (here.sum(dim=2) + there.sum(dim=2)).clamp(min=1)
    pooled = (here @ sampled.pooled + there @ own.pooled) / count[..., None]
    found = sampled.regions
    regions = (
        None if found is None else RegionFeatures(*(here @ f for f in (found.positive, found.negative, found.counts)))
    )
    return EncodedGroup(tokens, owners, pooled, regions)


def _places(wanted: Tensor, owners: Tensor, dtype: torch.dtype) -> Float[Tensor, "B W P"]:
    """1 where an owner (column) is the wanted one (row), else 0."""
    return ((wanted[:, :, None] == owners[:, None, :]) & (wanted[:, :, None] != ABSENT)).to(dtype)
