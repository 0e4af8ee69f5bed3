"""Masks: regions given pixel by pixel."""

from __future__ import annotations

import torch

from seemkit.plugin import InputError, Mask, Region, RegionPromptEncoder, Register, Size, Subject, hookimpl

SEEMKIT_API = 2


class MaskEncoder(RegionPromptEncoder[Mask]):
    """All pixels of a mask."""

    kind = "mask"
    accepts = Mask
    exact = True

    def region(self, prompt: Mask, size: Size) -> Region:
        """The mask's pixels.

        Raises:
            InputError: the mask is not of the image's size.
        """
        if tuple(prompt.mask.shape) != tuple(size):
            raise InputError(f"mask: shape {[*prompt.mask.shape]}; this image takes a mask of shape {[*size]}")
        return Region.from_mask(prompt.mask, positive=prompt.positive)

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Mask]:
        """The mask itself."""
        return [Mask(subject.mask)] if bool(subject.mask.any()) else []

    @classmethod
    def parse(cls, text: str) -> Mask:
        """``"mask.png"`` is the mask that is not black in that file; ``"-mask.png"`` a region beside the object."""
        return Mask.read(text.removeprefix("-"), positive=not text.startswith("-"))


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``mask``."""
    register(MaskEncoder)
