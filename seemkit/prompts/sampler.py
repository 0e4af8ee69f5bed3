"""The visual sampler, which turns prompts of any kind into token groups.

Source: SEEM (arXiv 2304.06718), section 3.1, "visual sampler".
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

from seemkit.errors import InputError
from seemkit.nn.click_field import RegionFeatures
from seemkit.nn.context import ImageContext
from seemkit.nn.mask_refiner import PromptPoints
from seemkit.nn.tokens import ABSENT, VISUAL_PROMPT, Group, Tokens
from seemkit.ops.region import Pixels, Region, sample_pixels, thin
from seemkit.ops.transfer import send
from seemkit.prompts.encoder import OtherImages, PromptContext, PromptEncoder, RegionPromptEncoder, TokenPromptEncoder
from seemkit.prompts.groups import EncodedGroup, bring_into_line, join, objects_at, owners_of, pack
from seemkit.prompts.prepared import DrawnRegion, EncodedRegion, PromptTokens
from seemkit.prompts.registry import Kind, Registry
from seemkit.prompts.values import Prompt
from seemkit.types import Size

ObjectPrompts = Sequence[Prompt]
"""The prompts that describe one object."""

ImagePrompts = Sequence[ObjectPrompts]
"""The objects of one image."""

Place = tuple[int, int]
"""Image and object."""


@dataclass(frozen=True, slots=True)
class PlacedPrompt:
    """A prompt, the index of its image, and the index of its object in that image."""

    prompt: Prompt
    image: int
    object: int


class VisualSampler(nn.Module):
    """Holds one encoder of each kind and returns the prompts of a batch as token groups.

    The sampler unites the regions of each object, samples the features under them, and pads and numbers the tokens.

    Args:
        embed_dim: C, channels of the tokens.
        registry: the installed kinds.
        options: constructor arguments of encoders, by kind.
        most: maximum number of sampled points of one sign in an image, shared evenly by its objects (reference: 512).
        unmarked: every component of the pooled vector of an object without positive points (reference: -1; v0: 0).

    Raises:
        InputError: options name a kind that is not installed, or an encoder does not accept them.
    """

    def __init__(
        self,
        embed_dim: int,
        registry: Registry,
        options: Mapping[str, Mapping[str, Any]],
        most: int = 512,
        unmarked: float = -1.0,
    ) -> None:
        super().__init__()
        for name in options:
            registry.require(name)
        self.embed_dim = embed_dim
        self.registry = registry
        self.most = most
        self.unmarked = unmarked
        made = {name: _make(kind, embed_dim, options.get(name, {})) for name, kind in registry.kinds.items()}
        self.encoders = nn.ModuleDict({n: e for n, e in made.items() if n in options or not list(e.parameters())})
        self.level_projection = nn.ParameterList(torch.empty(embed_dim, embed_dim) for _ in range(3))
        self.sign = nn.Embedding(2, embed_dim)
        for projection in self.level_projection:
            nn.init.trunc_normal_(projection, std=embed_dim**-0.5)

    def encoder(self, prompt: Prompt) -> PromptEncoder[Any]:
        """Return the encoder that takes this prompt."""
        return self.kind(self.registry.kind_of(prompt))

    def kind(self, name: str) -> PromptEncoder[Any]:
        """Return the encoder of a kind.

        Raises:
            InputError: the kind is not installed, or its encoder has weights and the network was built without it.
        """
        self.registry.require(name)
        if name not in self.encoders:
            raise InputError(
                f"prompt kind {name!r} has weights, but this network was built without them; to train a network with "
                f"them, name the kind in its architecture: prompts: {{{name}: {{}}}}"
            )
        found = self.encoders[name]
        assert isinstance(found, PromptEncoder)
        return found

    def prepare(self, prompts: Sequence[Prompt], size: Size, other: OtherImages) -> tuple[Prompt, ...]:
        """Return the prompts ready for any number of rounds on an image of `size`; see `PromptEncoder.prepare`.

        Raises:
            InputError: a prompt is not valid for this image, or its kind is not installed.
        """
        return tuple(
            prompt if isinstance(prompt, EncodedRegion) else self.encoder(prompt).prepare(prompt, size, other)
            for prompt in prompts
        )

    def forward(self, prompts: Sequence[ImagePrompts], context: PromptContext) -> dict[str, EncodedGroup]:
        """Return the prompts of B images as token groups, by group name; groups without prompts are omitted.

        Args:
            prompts: prompts by image and object.
            context: the encoded images and the text tower.

        Raises:
            InputError: the number of images differs, a prompt marks no pixel of its image, or its kind is not
                installed.
        """
        if len(prompts) != len(context.images):
            raise InputError(f"prompts are given for {len(prompts)} images, but {len(context.images)} are encoded")
        placed = [
            PlacedPrompt(prompt, image, index)
            for image, objects in enumerate(prompts)
            for index, described in enumerate(objects)
            for prompt in described
        ]
        regions, others = self._draw(placed, context.images)
        groups = self._encode(others, context)
        if regions:
            sampled = self._sample(regions, context.images)
            own = groups.get(VISUAL_PROMPT.name)
            groups[VISUAL_PROMPT.name] = sampled if own is None else join(sampled, own)
        return bring_into_line(groups)

    def describe(self, prompts: Sequence[Prompt], image: ImageContext) -> PromptTokens:
        """Return the tokens of one region, for use as a prompt in any image.

        Args:
            prompts: the prompts that mark the region.
            image: the encoded image, alone.

        Raises:
            InputError: a prompt is outside the image, or its kind marks no pixels.
        """
        parts = []
        for prompt in prompts:
            region = self._region(prompt, image.frames[0])
            if region is None:
                kind = self.registry.kind_of(prompt)
                raise InputError(f"prompt kind {kind!r} marks no pixels; describe a region with a kind that marks them")
            parts.append(region)
        sampled = self._sample({(0, 0): Region.union(parts)}, image)
        pooled = sampled.pooled[0, 0]
        # behind the learned channels are positions in the other image, which say nothing about this one
        pooled = torch.cat((pooled[: self.embed_dim], torch.zeros_like(pooled[self.embed_dim :])))
        return PromptTokens([values[0] for values in sampled.tokens.values], pooled)

    def _draw(
        self, placed: Sequence[PlacedPrompt], images: ImageContext
    ) -> tuple[dict[Place, Region], list[PlacedPrompt]]:
        """Return the united region of each object with visual prompts, and the prompts that mark no pixels."""
        parts: dict[Place, list[Region]] = defaultdict(list)
        others = []
        for one in placed:
            region = self._region(one.prompt, images.frames[one.image])
            if region is None:
                others.append(one)
            else:
                parts[one.image, one.object].append(region)
        return {place: Region.union(regions) for place, regions in parts.items()}, others

    def _region(self, prompt: Prompt, size: Size) -> Region | None:
        """Return the pixels that a prompt marks in an image of `size`; None if its kind makes tokens instead."""
        if isinstance(prompt, EncodedRegion):
            return None
        if isinstance(prompt, DrawnRegion):
            if prompt.size != size:
                raise InputError(f"a region drawn for an image of {[*prompt.size]} does not fit an image of {[*size]}")
            return prompt.region
        encoder = self.encoder(prompt)
        if isinstance(encoder, RegionPromptEncoder):
            return encoder.mark(prompt, size)
        encoder.check(prompt, size)
        return None

    def _encode(self, placed: Sequence[PlacedPrompt], context: PromptContext) -> dict[str, EncodedGroup]:
        """Return the groups of the prompts that make tokens; each kind encodes its prompts in one call."""
        made: dict[Group, list[tuple[PromptTokens, int, int]]] = defaultdict(list)
        by_kind: dict[str, list[PlacedPrompt]] = defaultdict(list)
        for one in placed:
            if isinstance(one.prompt, EncodedRegion):
                made[VISUAL_PROMPT].append((one.prompt.tokens, one.image, one.object))
            else:
                by_kind[self.registry.kind_of(one.prompt)].append(one)
        for name, entries in by_kind.items():
            encoder = self.kind(name)
            assert isinstance(encoder, TokenPromptEncoder)
            encoded = encoder.encode([one.prompt for one in entries], [one.image for one in entries], context)
            made[encoder.group] += [(t, one.image, one.object) for t, one in zip(encoded, entries, strict=True)]
        return {group.name: pack(group, rows, len(context.images)) for group, rows in made.items()}

    def _sample(self, regions: Mapping[Place, Region], images: ImageContext) -> EncodedGroup:
        """Return the visual prompt group, made from the features of every level under the regions."""
        device = images.mask_features.device
        objects = objects_at(regions, len(images))
        owners = owners_of(objects, device)
        points = _gather_points(regions, len(images), self.most)
        pixels = send(points.pixels * _frame_scale(images), device)
        slot, positive = send(points.slot, device), send(points.positive, device)
        valid = slot >= 0
        values = []
        for level, shape, projection in zip(images.levels, images.shapes, self.level_projection, strict=True):
            # sampling is linear, so project the few points instead of the whole map
            under = sample_pixels(level.transpose(1, 2).unflatten(2, tuple(shape)), pixels, images.padded)
            values.append(under @ projection + self.sign((~positive).long()))
        owner = owners.gather(1, slot.clamp(min=0)).where(valid, ABSENT)
        tokens = Tokens(VISUAL_PROMPT, values, values, owner[None], valid)
        features = sample_pixels(images.mask_features, pixels, images.padded)
        means, counts = zip(
            *(_means(features, slot, valid & (positive == sign), owners.shape[1]) for sign in (True, False)),
            strict=True,
        )
        pooled = means[0].where(counts[0][..., None] > 0, self.unmarked)
        features_under = RegionFeatures(means[0], means[1], torch.stack(counts, dim=-1))
        return EncodedGroup(
            tokens, objects, owners, counts[0] > 0, pooled, features_under, PromptPoints(pixels, positive, owner)
        )


def _make(kind: Kind, embed_dim: int, options: Mapping[str, Any]) -> PromptEncoder[Any]:
    try:
        return kind.encoder(embed_dim, **options)
    except TypeError as error:
        raise InputError(f"architecture.prompts.{kind.encoder.kind}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Points:
    """Padded points of B images: pixels [B, N, 2] (row, column), slot [B, N] (-1 is padding), positive [B, N]."""

    pixels: Tensor
    slot: Tensor
    positive: Tensor


def _gather_points(regions: Mapping[Place, Region], batch: int, budget: int) -> _Points:
    """Return the points of all regions, positive ones first; the objects of an image share its budget."""
    rows: list[list[tuple[Pixels, int, bool]]] = [[] for _ in range(batch)]
    for image in range(batch):
        mine = [regions[place] for place in sorted(regions) if place[0] == image]
        for positive in (True, False):
            parts = [region.positive if positive else region.negative for region in mine]
            most = budget if sum(map(len, parts)) <= budget else max(1, budget // len(mine))
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
    """Return the factors [B, 1, 2] from (row, column) of the original images to those of the network's input."""
    return torch.tensor(
        [[[s.height / f.height, s.width / f.width]] for s, f in zip(images.sizes, images.frames, strict=True)]
    )


def _means(features: Float[Tensor, "B N C"], slot: Tensor, chosen: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """Return the mean [B, P, C] of each slot's chosen points and their number [B, P]; zero for slots without points."""
    weight = (slot[:, None, :] == torch.arange(objects, device=slot.device)[None, :, None]) & chosen[:, None, :]
    count = weight.sum(dim=2)
    total = weight.to(features.dtype) @ features
    return total / count.clamp(min=1)[..., None], count.to(features.dtype)
