"""Referred regions in training: an object is described by a region of another image that shows the same or its like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seemkit.interactive.user import MIN_AREA
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.prompts.prepared import EncodedRegion
from seemkit.prompts.values import Mask, Prompt
from seemkit.training.step_prompts import SampledPrompts
from seemkit.types import Appearance, Batch, Target

CHANGE = 0.2
"""Largest relative change of contrast, and largest change of brightness relative to 255, of an altered view."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A clicked object that is to be described by a region, and where that region is.

    Attributes:
        image: index of the object's image.
        object: index of the object among the clicked ones.
        source: index of the image that shows the region; `image` itself means an altered view of it.
        row: row of the region in the target of `source`.
    """

    image: int
    object: int
    source: int
    row: int


def refer(
    sampled: Sequence[SampledPrompts],
    batch: Batch,
    context: ImageContext,
    network: SEEM,
    share: float,
    generators: Sequence[torch.Generator],
) -> list[SampledPrompts]:
    """Return the prompts of a step, where some objects are described by a referred region instead.

    The region is an object of another image in the batch with the same class and attributes. If there is none, it is
    the object itself in an altered view of its image: mirrored, with another contrast and brightness.

    Args:
        sampled: prompts of each image.
        batch: the batch.
        context: the encoded images of the batch.
        network: the network in training.
        share: probability that a clicked object is described by a region.
        generators: one generator for each image.
    """
    references = _draw(sampled, batch.targets, share, generators)
    altered = sorted({reference.image for reference in references if reference.source == reference.image})
    views = _altered_views(network, batch, altered, generators) if altered else None
    first: list[list[list[Prompt]]] = [list(one.first_prompts) for one in sampled]
    for reference in references:
        mask = batch.targets[reference.source].masks[reference.row].cpu()
        if reference.source == reference.image and views is not None:
            view, mask = views.repeat(altered.index(reference.image), 1), mask.flip(-1)
        else:
            view = context.repeat(reference.source, 1)
        first[reference.image][reference.object] = [EncodedRegion(network.sampler.describe([Mask(mask)], view))]
    return [replace(one, first_prompts=prompts) for one, prompts in zip(sampled, first, strict=True)]


def _draw(
    sampled: Sequence[SampledPrompts], targets: Sequence[Target], share: float, generators: Sequence[torch.Generator]
) -> list[Reference]:
    """Return the references of a batch."""
    places: dict[Appearance, list[tuple[int, int]]] = defaultdict(list)
    for image, target in enumerate(targets):
        for row in range(len(target.masks)):
            if not bool(target.crowd[row]) and int(target.masks[row].sum()) >= MIN_AREA:
                places[target.appearance(row)].append((image, row))
    found = []
    for image, (one, target, generator) in enumerate(zip(sampled, targets, generators, strict=True)):
        for index, segment in enumerate(one.objects):
            if float(torch.rand((), generator=generator)) >= share:
                continue
            row = one.segments[segment]
            others = [place for place in places[target.appearance(row)] if place[0] != image]
            chosen = int(torch.randint(max(1, len(others)), (), generator=generator))
            found.append(Reference(image, index, *(others[chosen] if others else (image, row))))
    return found


def _altered_views(
    network: SEEM, batch: Batch, images: Sequence[int], generators: Sequence[torch.Generator]
) -> ImageContext:
    """Return the encoded altered views of some images of a batch."""
    return network.encode_image([_alter(batch.images[image], generators[image]) for image in images])


def _alter(image: Tensor, generator: torch.Generator) -> Tensor:
    contrast, brightness = ((2 * torch.rand(2, generator=generator) - 1) * CHANGE).tolist()
    return ((image.flip(-1).float() - 128) * (1 + contrast) + 128 + 255 * brightness).clamp(0, 255)
