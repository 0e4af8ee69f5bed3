"""Regions of other images: find here what is marked there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from seemkit import PromptEncoder, RegionOf, hookimpl
from seemkit.errors import InputError
from seemkit.nn.tokens import VISUAL_PROMPT, Group
from seemkit.prompts.encoder import PromptContext, PromptTokens
from seemkit.types import Size


class ReferredRegionEncoder(PromptEncoder[RegionOf]):
    """The features under a region of another image, in the place of features of this one."""

    kind: ClassVar[str] = "region_of"
    accepts: ClassVar[type[RegionOf]] = RegionOf
    group: ClassVar[Group] = VISUAL_PROMPT

    def encode(self, prompts: Sequence[RegionOf], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """The tokens of each region, sampled in the image that it lies in."""
        return [context.sampler.describe(prompt.prompts, prompt.image) for prompt in prompts]

    def simulate(self, mask: Tensor, generator: torch.Generator) -> list[RegionOf]:
        """Nothing: a mask shows no other image."""
        return []

    def parse(self, text: str) -> RegionOf:
        """Not possible: a command line has no second encoded image."""
        raise InputError("region_of: a region of another image can only be given in Python, as seemkit.RegionOf")

    def check(self, prompt: RegionOf, size: Size) -> None:
        """Nothing, if the other image is one image and something is marked in it."""
        if len(prompt.image) != 1:
            raise InputError(f"region_of: encode the other image alone; its context holds {len(prompt.image)} images")
        if not prompt.prompts:
            raise InputError("region_of: no prompt marks a region in the other image")


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``region_of``."""
    register(ReferredRegionEncoder)
