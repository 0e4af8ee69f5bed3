"""Regions of other images: find here what is marked there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from seemkit import PromptEncoder, RegionOf, RegionPromptEncoder, Subject, hookimpl
from seemkit.errors import InputError
from seemkit.io.image import check_pixels, read_image
from seemkit.nn.context import ImageContext
from seemkit.nn.tokens import VISUAL_PROMPT, Group
from seemkit.prompts.encoder import EncodeImage, PromptContext, PromptTokens
from seemkit.prompts.registry import installed, parse_prompt, prompt_from_json, prompt_to_json
from seemkit.types import Size


class ReferredRegionEncoder(PromptEncoder[RegionOf]):
    """The features under a region of another image, in the place of features of this one."""

    kind: ClassVar[str] = "referred-region"
    accepts: ClassVar[type[RegionOf]] = RegionOf
    group: ClassVar[Group] = VISUAL_PROMPT

    def encode(self, prompts: Sequence[RegionOf], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """The tokens of each region, sampled in the image that it lies in."""
        found = [self.prepare(prompt, context.encode_image) for prompt in prompts]
        return [context.sampler.describe(prompt.prompts, _encoded(prompt)) for prompt in found]

    def check(self, prompt: RegionOf, size: Size) -> None:
        """Nothing, if kinds that mark pixels mark the region and, of an encoded image, one that it has."""
        for part in prompt.prompts:
            kind = installed()[installed().kind_of(part)].encoder
            if not issubclass(kind, RegionPromptEncoder):
                raise InputError(f"referred-region: prompt kind {kind.kind!r} marks no pixels, so it marks no region")
            if isinstance(prompt.image, ImageContext):
                kind(self.embed_dim).check(part, prompt.image.frames[0])

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[RegionOf]:
        """Nothing: a simulated user has one image."""
        return []

    def prepare(self, prompt: RegionOf, encode_image: EncodeImage) -> RegionOf:
        """The same region with its image encoded.

        Raises:
            InputError: the image cannot be read, or the prompts mark nothing in it.
        """
        image = prompt.image
        if not isinstance(image, ImageContext):
            pixels = check_pixels(image) if isinstance(image, Tensor) else read_image(image, upright=True)
            prompt = replace(prompt, image=encode_image(pixels))
            self.check(prompt, _encoded(prompt).frames[0])
        return prompt

    @classmethod
    def parse(cls, text: str) -> RegionOf:
        """``"other.png:point=40,30"`` is what is at x 40, y 30 of that file; several prompts are separated by ``;``."""
        path, separator, words = text.rpartition(":")
        if not separator or not words:
            raise InputError(f"referred-region {text!r}: expected FILE:KIND=VALUE, for example other.png:point=40,30")
        return RegionOf(path, tuple(parse_prompt(word) for word in words.split(";")))

    @classmethod
    def to_json(cls, prompt: RegionOf) -> dict[str, Any]:
        """The file's name and the prompts in it.

        Raises:
            InputError: the image does not come from a file.
        """
        if not isinstance(prompt.image, (str, Path)):
            raise InputError("referred-region: only a region of an image file can be written; this image is in memory")
        return {"image": str(prompt.image), "prompts": [prompt_to_json(part) for part in prompt.prompts]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RegionOf:
        """The region that `to_json` wrote."""
        match values:
            case {"image": str(image), "prompts": list(prompts), **rest} if not rest:
                return RegionOf(image, tuple(prompt_from_json(part) for part in prompts))
        raise InputError("referred-region: expected the fields 'image', a file name, and 'prompts', a list")


def _encoded(prompt: RegionOf) -> ImageContext:
    assert isinstance(prompt.image, ImageContext)
    return prompt.image


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``referred-region``."""
    register(ReferredRegionEncoder)
