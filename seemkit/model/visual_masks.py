"""What visual prompts add to the masks of their queries: terms of the click field, and refinement."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seemkit.model.outputs import Decoded
from seemkit.nn.click_field import ClickField
from seemkit.nn.mask_refiner import MaskRefiner
from seemkit.nn.tokens import TEXT_PROMPT, VISUAL_PROMPT, VISUAL_QUERY
from seemkit.prompts.groups import EncodedGroup, spread


def click_terms(click_field: ClickField | None, encoded: Mapping[str, EncodedGroup]) -> dict[str, Tensor]:
    """Return the terms that the click field adds to mask embeddings, by query group.

    Args:
        click_field: the network's click field; None adds nothing.
        encoded: encoded prompts by group name.
    """
    visual = encoded.get(VISUAL_PROMPT.name)
    if click_field is None or visual is None or visual.regions is None:
        return {}
    texts, said = encoded.get(TEXT_PROMPT.name), None
    if texts is not None:
        said = spread(texts.owners, visual.owners, texts.pooled.dtype) @ texts.pooled
    return {VISUAL_QUERY.name: click_field(visual.regions, said)}


def refine(
    refiner: MaskRefiner | None, masks: Float[Tensor, "B P H W"], owners: Int[Tensor, "B P"], decoded: Decoded
) -> Float[Tensor, "B P H W"]:
    """Return mask logits after refinement; those of objects without marked points stay as they are.

    Args:
        refiner: the network's refiner; None returns the masks as they are.
        masks: one mask for each object, at the resolution of the mask features.
        owners: the objects; `ABSENT` for padding.
        decoded: the decode that the masks come from.
    """
    visual, guide = decoded.prompts.get(VISUAL_PROMPT.name), decoded.context.guide
    if refiner is None or guide is None or visual is None or visual.points is None:
        return masks
    place = spread(visual.owners, owners, masks.dtype)
    previous = decoded.previous
    if previous is not None:
        previous = torch.einsum("bop,bphw->bohw", place, previous)
    refined = refiner(masks, guide, visual.points, owners, decoded.context.padded, previous)
    marked = ((owners[:, :, None] == visual.points.owner[:, None]) & (owners[:, :, None] >= 0)).any(dim=2)
    return refined.where(marked[:, :, None, None], masks)
