"""Referred-region prompts: regions of other images that show the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seemkit.plugin import (
    VISUAL_PROMPT,
    EncodedRegion,
    ImageContext,
    InputError,
    OtherImages,
    Prompt,
    PromptContext,
    PromptTokens,
    Register,
    Size,
    Subject,
    TokenPromptEncoder,
    UserImage,
    hookimpl,
    load_image,
    parse_prompt,
    prompt_from_json,
    prompt_to_json,
)

SEEMKIT_API = 2
USER_IMAGES = (Tensor, str, Path, np.ndarray, Image.Image)
"""Types of `UserImage`."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionOf(Prompt):
    """A region of another image that shows the object.

    Attributes:
        image: the other image, in any form that a session takes, or the `context` of a session with the same network,
            which is not encoded again.
        prompts: prompts that mark the region in the other image, of any kinds that mark pixels.

    Raises:
        InputError: no prompt is positive, a value is not a prompt, or the image has the wrong type or holds several
            images.
    """

    image: ImageContext | UserImage
    prompts: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        prompts = (self.prompts,) if isinstance(self.prompts, Prompt) else tuple(self.prompts)
        self._normalize(prompts=prompts)
        for prompt in prompts:
            if not isinstance(prompt, Prompt):
                raise InputError(
                    f"referred-region: {str(prompt)[:40]!r} is not a prompt; expected a value such as Point(40, 30)"
                )
        if not any(prompt.positive for prompt in prompts):
            raise InputError("referred-region: no prompt marks a region in the other image; give a positive prompt")
        if not isinstance(self.image, (ImageContext, *USER_IMAGES)):
            raise InputError(
                f"referred-region: image is a {type(self.image).__name__}; expected a file, a Pillow image, an array, "
                "a tensor or a context"
            )
        if isinstance(self.image, ImageContext) and len(self.image) != 1:
            raise InputError(
                f"referred-region: the context holds {len(self.image)} images; encode the other image alone"
            )


class ReferredRegionEncoder(TokenPromptEncoder[RegionOf]):
    """Makes tokens from the features under a region of another image."""

    kind = "referred-region"
    accepts = RegionOf
    group = VISUAL_PROMPT
    gesture = "reference"

    def encode(self, prompts: Sequence[RegionOf], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """Return the tokens of each region, sampled in its own image."""
        return [_describe(prompt, context.other) for prompt in prompts]

    def prepare(self, prompt: RegionOf, size: Size, other: OtherImages) -> EncodedRegion:
        """Return the region as tokens, so that its image is encoded only once.

        Raises:
            InputError: the image is not readable, or a prompt marks no pixel of it.
        """
        return EncodedRegion(_describe(prompt, other))

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[RegionOf]:
        """Return no prompt, because a simulated user has one image only."""
        return []

    @classmethod
    def parse(cls, text: str) -> RegionOf:
        """Return the region of ``"other.png:point=40,30"``: x 40, y 30 of that file; ``;`` separates prompts."""
        path, separator, words = text.rpartition(":")
        if not separator or not words:
            raise InputError(f"referred-region {text!r}: expected FILE:KIND=VALUE, for example other.png:point=40,30")
        return RegionOf(path, tuple(parse_prompt(word) for word in words.split(";")))

    @classmethod
    def to_json(cls, prompt: RegionOf) -> dict[str, Any]:
        """Return the name of the image file and the prompts in it.

        Raises:
            InputError: the image is not a file.
        """
        if not isinstance(prompt.image, (str, Path)):
            raise InputError("referred-region: the image is in memory; only a region of an image file can be written")
        return {"image": str(prompt.image), "prompts": [prompt_to_json(part) for part in prompt.prompts]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RegionOf:
        """Return the prompt that `to_json` wrote.

        Raises:
            InputError: a field is unknown, missing or wrong.
        """
        match values:
            case {"image": str(image), "prompts": list(prompts), **rest} if not rest:
                return RegionOf(image, tuple(prompt_from_json(part) for part in prompts))
        raise InputError("referred-region: expected the fields 'image', a file name, and 'prompts', a list")


def _describe(prompt: RegionOf, other: OtherImages) -> PromptTokens:
    image = prompt.image if isinstance(prompt.image, ImageContext) else other.encode(load_image(prompt.image))
    return other.describe(prompt.prompts, image)


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``referred-region``."""
    register(ReferredRegionEncoder)
