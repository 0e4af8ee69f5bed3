"""Mask prompts."""

from __future__ import annotations

import torch

from seemkit.plugin import InputError, Mask, Region, RegionPromptEncoder, Register, Size, Subject, hookimpl

SEEMKIT_API = 2


class MaskEncoder(RegionPromptEncoder[Mask]):
    """Marks all pixels of a mask."""

    kind = "mask"
    accepts = Mask
    gesture = "file"
    exact = True

    def region(self, prompt: Mask, size: Size) -> Region:
        """Return the pixels of the mask.

        Raises:
            InputError: the size of the mask differs from the image.
        """
        if tuple(prompt.mask.shape) != tuple(size):
            raise InputError(f"mask has shape {[*prompt.mask.shape]}; expected {[*size]}, the size of the image")
        return Region.from_mask(prompt.mask, positive=prompt.positive)

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Mask]:
        """Return the mask of the object."""
        return [Mask(subject.mask)] if bool(subject.mask.any()) else []

    @classmethod
    def parse(cls, text: str) -> Mask:
        """Return the mask of all pixels of ``"mask.png"`` that are not black; a leading ``-`` makes it negative.

        Raises:
            InputError: the file is not a readable image, or all its pixels are black.
        """
        return Mask.read(text.removeprefix("-"), positive=not text.startswith("-"))


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``mask``."""
    register(MaskEncoder)
