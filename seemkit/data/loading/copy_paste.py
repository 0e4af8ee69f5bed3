"""Copy-paste: an object of one image, pasted into another."""

from __future__ import annotations

import torch

from seemkit.data.loading.transforms import Sample, drop_vanished
from seemkit.errors import InputError
from seemkit.types import Target

LEAST_PIXELS = 256
"""Smaller objects are not pasted."""


def paste(sample: Sample, other: Sample, generator: torch.Generator) -> Sample:
    """Return a sample with a random object of another one pasted over it at the same place, with its label.

    Segments lose the pixels that the object covers; those that vanish are dropped. Without a large enough object the
    sample is returned as it is. Source: Ghiasi et al., Simple Copy-Paste (2021), section 3.

    Args:
        sample: image and target.
        other: image and target of the same size and the same vocabulary.
        generator: source of the random choice.

    Raises:
        InputError: the sizes differ.
    """
    image, target = sample
    source, given = other
    if image.shape != source.shape:
        raise InputError(
            f"copy_paste: {target.name} and {given.name} differ in size after the transforms; set data.crop or "
            "data.jitter"
        )
    rows = [
        row for row, mask in enumerate(given.masks) if not bool(given.crowd[row]) and int(mask.sum()) >= LEAST_PIXELS
    ]
    if not rows:
        return sample
    row = rows[int(torch.randint(len(rows), (), generator=generator))]
    mask = given.masks[row]
    joined = Target(
        masks=torch.cat((target.masks & ~mask, mask[None])),
        labels=torch.cat((target.labels, given.labels[row : row + 1])),
        crowd=torch.cat((target.crowd, given.crowd[row : row + 1])),
        phrases=target.phrases,
        name=target.name,
        attributes=(*_attributes(target), _attributes(given)[row]) if target.attributes or given.attributes else (),
        ignored=None if target.ignored is None else target.ignored & ~mask,
    )
    return torch.where(mask, source, image), drop_vanished(joined)


def _attributes(target: Target) -> tuple[tuple[str, ...], ...]:
    return target.attributes or ((),) * len(target.masks)
