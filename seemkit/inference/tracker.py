"""Tracking of objects through a video, from their appearance in the first frame and their mask in the previous one.

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
from seemkit.interactive.zoom import RoundPlayer
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
"""Magnitude of the mask logits of an object whose mask is given by the prompts."""


class Tracker:
    """Tracks objects through one video, whose frames are encoded one by one and passed in order.

    In its first frame, an object is predicted as in any image. In each later frame, its prompt is a *referred region*,
    the tokens of its mask in the first frame, and its mask in the previous frame is the memory. In addition, the
    tracker clicks the innermost pixel of the previous mask, unless `click` is False. Each object is decoded alone,
    with all memory slots. Where masks overlap, the object with the highest logit owns the pixel, and an object is
    clicked only on pixels that it owns. An object that owns no pixel gets no click, and reappears when its referred
    region is found again.

    Memory use does not grow with the number of frames: the tracker keeps a few tokens per object and its last mask.

    Mean J of "scenes-tiny" on generated clips of 16 frames, objects given by masks (`benchmarks/tracking.py`): 0.799
    with the click and 0.314 without if things move, 0.641 and 0.253 if the camera moves. Two alternatives were worse,
    with earlier weights on 8 clips of each type: decoding all objects together, with shared memory slots, lost 0.01 to
    0.04; clicking pixels of a mask that other objects own lost 0.03 to 0.10.

    Args:
        network: the network, in evaluation mode as `SEEM.from_pretrained` returns it.
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
    def add(self, context: ImageContext, objects: ImagePrompts, pixels: Tensor | None = None) -> list[int]:
        """Add objects that start in this frame, and return their numbers, from 1; `masks` then includes them.

        If all prompts of an object are positive masks, their union is the object's mask. Otherwise the network predicts
        the mask. The mask is the referred region in later frames; if it is empty, the region that the prompts mark is.

        Args:
            context: the frame, encoded alone; if the tracker has objects already, the frame of the last `step`.
            objects: prompts of each object, of any kinds.
            pixels: the frame, uint8 [3, H, W], in which small objects are zoomed in on; None to never zoom in.

        Raises:
            InputError: a prompt is not valid, an object has no positive prompt, the predicted mask is empty and no
                positive prompt marks a region, or the size of the frame differs from the previous frame.
        """
        self._check(context)
        for prompts in objects:
            if not any(prompt.positive for prompt in prompts):
                raise InputError("track: no prompt of an object is positive; add one that shows or describes it")
        if not objects:
            return []
        memory, masks = self._play(context, objects, pixels)
        pairs = zip(masks, objects, strict=True)
        masks = torch.stack([self._given(prompts, context.frames[0], mask) for mask, prompts in pairs])
        pairs = zip(masks > 0, objects, strict=True)
        self._regions += [self._refer(context, mask, prompts) for mask, prompts in pairs]
        self._memory, self.masks = _append(self._memory, memory), _append(self.masks, masks)
        return list(range(len(self.masks) - len(objects) + 1, len(self.masks) + 1))

    @torch.no_grad()
    def step(self, context: ImageContext, pixels: Tensor | None = None) -> Float[Tensor, "N H W"]:
        """Return the mask logits of all objects in the next frame, at its size, and store them in `masks`.

        Args:
            context: the frame, encoded alone.
            pixels: the frame, uint8 [3, H, W], as in `add`.

        Raises:
            InputError: the size of the frame differs from the previous frame.
        """
        self._check(context)
        if self._regions:
            found = object_masks(object_ids(self.masks), len(self.masks))
            prompts = [[region, *self._click(mask)] for region, mask in zip(self._regions, found, strict=True)]
            self._memory, self.masks = self._play(context, prompts, pixels, self._memory)
        else:
            self.masks = context.mask_features.new_zeros((0, *context.frames[0]))
        return self.masks

    def _check(self, context: ImageContext) -> None:
        if len(context) != 1:
            raise InputError(f"track: the context holds {len(context)} images; encode each frame alone")
        size = context.frames[0]
        if len(self.masks) and tuple(self.masks.shape[1:]) != tuple(size):
            height, width = self.masks.shape[1:]
            raise InputError(
                f"track: a frame of {size.width} x {size.height} pixels; expected {width} x {height} as before"
            )

    def _play(
        self,
        context: ImageContext,
        objects: ImagePrompts,
        pixels: Tensor | None,
        memory: Float[Tensor, "N 1 h w"] | None = None,
    ) -> tuple[Float[Tensor, "N 1 h w"], Float[Tensor, "N H W"]]:
        """Return the masks of the objects, each decoded alone: as memory of the next frame, and at the frame's size.

        While zooming in, the memory of the next frame is made from the masks at the frame's size.
        """
        if pixels is not None and self.network.architecture.zoom_side:
            player = RoundPlayer(self.network, context, pixels)
            prepared = [self.network.prepare(prompts, context.frames[0]) for prompts in objects]
            before = [None] * len(prepared) if memory is None else list(self.masks)
            played = [
                player.play(prompts) if logits is None else player.follow(prompts, logits)
                for prompts, logits in zip(prepared, before, strict=True)
            ]
            return context.mask_features.new_zeros((len(played), 1, 1, 1)), torch.stack([p.logits for p in played])
        views = context.repeat(0, len(objects))
        masks = play_round(self.network, views, [[prompts] for prompts in objects], memory).masks
        return masks, context.restore(masks[:, 0], mode="bilinear")

    def _refer(self, context: ImageContext, mask: Bool[Tensor, "H W"], prompts: ObjectPrompts) -> EncodedRegion:
        """Return the referred region of an object in its first frame.

        Raises:
            InputError: the mask is empty, and no positive prompt marks pixels.
        """
        seen: Sequence[Prompt] = [Mask(mask.cpu())] if bool(mask.any()) else self._marking(prompts)
        if not seen:
            raise InputError(
                "track: nothing in the frame fits an object's prompts; start at a frame that shows it, or mark it there"
            )
        return EncodedRegion(self.network.sampler.describe(seen, context))

    def _marking(self, prompts: ObjectPrompts) -> list[Prompt]:
        """Return the prompts that mark pixels; an empty list if none of them is positive."""
        sampler = self.network.sampler
        marking = [prompt for prompt in prompts if isinstance(sampler.encoder(prompt), RegionPromptEncoder)]
        return marking if any(prompt.positive for prompt in marking) else []

    def _given(self, prompts: ObjectPrompts, size: Size, found: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
        """Return the union of the prompts' masks if all are exact and positive; otherwise `found`."""
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
