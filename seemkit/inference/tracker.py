"""Objects followed through a video: what they were in their first frame, and where they were in the last one.

Source: SEEM (arXiv 2304.06718), section 4, zero-shot video object segmentation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.errors import InputError
from seemkit.interactive.clicker import center_click
from seemkit.interactive.rounds import play_round
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.ops.region import Region, as_mask
from seemkit.postprocess.object_ids import object_ids, object_masks
from seemkit.prompts.encoder import RegionPromptEncoder
from seemkit.prompts.prepared import EncodedRegion
from seemkit.prompts.sampler import ImagePrompts, ObjectPrompts
from seemkit.prompts.values import Mask, Prompt
from seemkit.types import Size

SURE = 10.0
"""The logit of a mask that was given, not found."""


class Tracker:
    """Objects in the frames of one video, which are encoded one after another and shown to it in order.

    On its first frame an object is found as in any image. From then on it is a *referred region*, the tokens of its
    mask in that frame, and its mask of the frame before is the memory; one pixel of that mask is clicked as well,
    unless that is switched off. Each object is decoded for itself, with all memory slots: the objects meet only where
    their masks overlap, where the highest logit decides whose pixels are clicked. An object without any pixel is not
    clicked, and comes back when its referred region is found again.

    What is kept does not grow with the number of frames: a few tokens an object and its last mask.

    Mean J of "scenes-tiny" on generated clips of 16 frames, objects given by masks (`benchmarks/tracking.py`): 0.799
    with the click and 0.313 without it where things move, 0.641 and 0.241 where the camera does. With earlier weights,
    on 8 clips of either sort, a decode of all objects together, which share the memory slots, lost 0.01 to 0.04, and
    clicks that do not heed whose pixels they hit lost 0.03 to 0.10.

    Args:
        network: in evaluation mode, as `SEEM.from_pretrained` returns it.
        click: also click the innermost pixel of the previous mask. The paper does not.

    Attributes:
        masks: mask logits of the last frame, [N, H, W] at its size; object number i is row i - 1.
    """

    def __init__(self, network: SEEM, *, click: bool = True) -> None:
        self.network = network
        self.click = click
        self.masks: Float[Tensor, "N H W"] = torch.zeros((0, 0, 0), device=network.device)
        self._regions: list[EncodedRegion] = []
        self._memory: Float[Tensor, "N 1 h w"] = self.masks

    @torch.no_grad()
    def add(self, context: ImageContext, objects: ImagePrompts) -> list[int]:
        """The numbers, from 1, of objects that begin on this frame; `masks` holds them from now on.

        An object that masks alone describe is those masks, whatever the network makes of them. Of any other, the mask
        that the network finds is referred to later, and if it finds none, what the prompts mark.

        Args:
            context: the frame, encoded alone; if there are objects already, the one of the last `step`.
            objects: for each object its prompts, of any kinds.

        Raises:
            InputError: a prompt is bad, an object has none that says where or what it is, nothing is found for its
                prompts and none marks a region, or the frame has another size than the one before.
        """
        self._check(context)
        for prompts in objects:
            if not any(prompt.positive for prompt in prompts):
                raise InputError("track: no prompt of an object is positive; add one that says where or what it is")
        if not objects:
            return []
        memory, masks = self._play(context, objects)
        pairs = zip(masks, objects, strict=True)
        masks = torch.stack([self._given(prompts, context.frames[0], mask) for mask, prompts in pairs])
        pairs = zip(masks > 0, objects, strict=True)
        self._regions += [self._refer(context, mask, prompts) for mask, prompts in pairs]
        self._memory, self.masks = _append(self._memory, memory), _append(self.masks, masks)
        return list(range(len(self.masks) - len(objects) + 1, len(self.masks) + 1))

    @torch.no_grad()
    def step(self, context: ImageContext) -> Float[Tensor, "N H W"]:
        """The mask logits of all objects on the next frame, at its size; `masks` is the same.

        Args:
            context: the frame, encoded alone.

        Raises:
            InputError: it has another size than the frame before.
        """
        self._check(context)
        if self._regions:
            found = object_masks(object_ids(self.masks), len(self.masks))
            prompts = [[region, *self._click(mask)] for region, mask in zip(self._regions, found, strict=True)]
            self._memory, self.masks = self._play(context, prompts, self._memory)
        else:
            self.masks = context.mask_features.new_zeros((0, *context.frames[0]))
        return self.masks

    def _check(self, context: ImageContext) -> None:
        if len(context) != 1:
            raise InputError(f"track: encode each frame alone; this context holds {len(context)} images")
        size = context.frames[0]
        if len(self.masks) and tuple(self.masks.shape[1:]) != tuple(size):
            height, width = self.masks.shape[1:]
            raise InputError(
                f"track: a frame of {size.width} x {size.height} pixels; the one before had {width} x {height}"
            )

    def _play(
        self, context: ImageContext, objects: ImagePrompts, memory: Float[Tensor, "N 1 h w"] | None = None
    ) -> tuple[Float[Tensor, "N 1 h w"], Float[Tensor, "N H W"]]:
        """Return the mask of each object, decoded alone: as the memory of the next frame, and at the frame's size."""
        views = context.repeat(0, len(objects))
        masks = play_round(self.network, views, [[prompts] for prompts in objects], memory).masks
        return masks, context.restore(masks[:, 0], mode="bilinear")

    def _refer(self, context: ImageContext, mask: Bool[Tensor, "H W"], prompts: ObjectPrompts) -> EncodedRegion:
        """The object as it is in its first frame."""
        seen: Sequence[Prompt] = [Mask(mask.cpu())] if bool(mask.any()) else self._marking(prompts)
        if not seen:
            raise InputError(
                "track: nothing in the frame fits an object's prompts; begin at a frame that shows it, or mark it there"
            )
        return EncodedRegion(self.network.sampler.describe(seen, context))

    def _marking(self, prompts: ObjectPrompts) -> list[Prompt]:
        """Return the prompts that mark pixels, if one of them is positive."""
        sampler = self.network.sampler
        marking = [prompt for prompt in prompts if isinstance(sampler.encoder(prompt), RegionPromptEncoder)]
        return marking if any(prompt.positive for prompt in marking) else []

    def _given(self, prompts: ObjectPrompts, size: Size, found: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
        """Return the mask that the prompts state, if all of them state one exactly; otherwise `found`."""
        parts = []
        for prompt in prompts:
            encoder = self.network.sampler.encoder(prompt)
            if not (isinstance(encoder, RegionPromptEncoder) and encoder.exact and prompt.positive):
                return found
            parts.append(encoder.mark(prompt, size))
        given = as_mask(Region.union(parts).positive, size)
        return torch.where(given.to(found.device), SURE, -SURE).to(found)

    def _click(self, mask: Bool[Tensor, "H W"]) -> list[Prompt]:
        return [center_click(mask)] if self.click and bool(mask.any()) else []


def _append(rows: Float[Tensor, "N h w"], more: Float[Tensor, "M h w"]) -> Float[Tensor, "NM h w"]:
    return torch.cat((rows, more)) if len(rows) else more
