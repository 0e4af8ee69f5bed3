"""Masks: regions given pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seemkit import Mask, PromptEncoder, RegionPrompt, hookimpl
from seemkit.errors import InputError
from seemkit.ops.region import Region
from seemkit.types import Size


class MaskEncoder(RegionPrompt[Mask]):
    """All pixels of a mask."""

    kind: ClassVar[str] = "mask"
    accepts: ClassVar[type[Mask]] = Mask

    def region(self, prompt: Mask, size: Size) -> Region:
        """The mask's pixels."""
        return Region.from_mask(prompt.mask, positive=prompt.positive)

    def simulate(self, mask: Tensor, generator: torch.Generator) -> list[Mask]:
        """The mask itself."""
        return [Mask(mask)] if bool(mask.any()) else []

    def parse(self, text: str) -> Mask:
        """``"mask.png"`` is the mask that is not black in that file; ``"-mask.png"`` a region beside the object."""
        path = Path(text.removeprefix("-"))
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("L"))
        except OSError as error:
            raise InputError(f"mask {path}: not a readable image: {error}") from error
        return Mask(torch.from_numpy(pixels > 0), not text.startswith("-"))

    def check(self, prompt: Mask, size: Size) -> None:
        """Nothing, if the mask has the image's size and is not empty."""
        if prompt.mask.dtype != torch.bool or tuple(prompt.mask.shape) != tuple(size):
            shape = [*prompt.mask.shape]
            raise InputError(
                f"mask: {prompt.mask.dtype} of shape {shape}; this image takes torch.bool of shape {[*size]}"
            )
        if not bool(prompt.mask.any()):
            raise InputError("mask: no pixel is set")


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``mask``."""
    register(MaskEncoder)
