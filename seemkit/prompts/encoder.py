"""The interface of a prompt kind.

A kind either marks pixels (`RegionPromptEncoder`) or makes tokens (`TokenPromptEncoder`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from seemkit.errors import InputError
from seemkit.nn.context import ImageContext
from seemkit.nn.language import LanguageTower
from seemkit.nn.tokens import VISUAL_PROMPT, Group
from seemkit.ops.region import Region
from seemkit.prompts.prepared import DrawnRegion, PromptTokens
from seemkit.prompts.serialization import from_fields, to_fields
from seemkit.prompts.values import Prompt
from seemkit.types import Size

P = TypeVar("P", bound=Prompt)


@dataclass(frozen=True, slots=True)
class OtherImages:
    """What a prompt that refers to another image needs.

    Attributes:
        encode: encodes one image, [3, H, W], RGB, 0..255.
        describe: returns the tokens of the region that prompts mark in an encoded image; see `VisualSampler.describe`.
    """

    encode: Callable[[Tensor], ImageContext]
    describe: Callable[[Sequence[Prompt], ImageContext], PromptTokens]


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What a prompt encoder can use.

    Attributes:
        images: the encoded images.
        language: the text tower.
        other: encodes and describes other images.
    """

    images: ImageContext
    language: LanguageTower
    other: OtherImages


@dataclass(frozen=True, slots=True)
class Subject:
    """An object that a simulated user wants.

    Attributes:
        mask: bool [H, W].
        name: its class name, if known.
        phrases: expressions that single it out, if any are known.
    """

    mask: Tensor
    name: str | None = None
    phrases: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """Height and width of the image."""
        return Size(self.mask.shape[-2], self.mask.shape[-1])


class PromptEncoder(nn.Module, ABC, Generic[P]):
    """What all prompt kinds share: the value they accept, how a user is simulated, how a prompt is read and written.

    Subclass `RegionPromptEncoder` or `TokenPromptEncoder`. `seemkit.testing.check_prompt_encoder` tests a subclass.

    An encoder with weights takes part only in networks whose architecture names its kind under ``prompts``.

    Args:
        embed_dim: C, channels of the tokens and of text embeddings.

    Class attributes:
        kind: the name in YAML, on the command line and in reports, for example ``"scribble"``.
        accepts: the frozen dataclass that it takes.
        group: the token group that its tokens join. A new group names in `read_by` the queries that read it.
    """

    kind: ClassVar[str]
    accepts: ClassVar[type[Prompt]]
    group: ClassVar[Group]

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim

    @abstractmethod
    def simulate(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """Return the prompts of a user in training who wants an object; none if this kind cannot express it.

        Args:
            subject: the object.
            generator: the only source of randomness.
        """

    def start(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """Return the prompts with which a user in evaluation starts. By default they are the same as in training."""
        return self.simulate(subject, generator)

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> P:
        """Return the prompt that a command-line word describes.

        Raises:
            InputError: the word does not describe one.
        """

    @classmethod
    def to_json(cls, prompt: P) -> dict[str, Any]:
        """Return the prompt as plain data: the fields that differ from their defaults, masks run-length encoded."""
        return to_fields(prompt)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> P:
        """Return the prompt that `to_json` wrote.

        Raises:
            InputError: a field is unknown, missing or wrong.
        """
        return cast(P, from_fields(cls.kind, cls.accepts, values))

    def label(self, prompt: P) -> str | None:
        """Return the name that the prompt gives its object; None if this kind gives none."""
        return None

    def check(self, prompt: P, size: Size) -> None:
        """Raise InputError unless the prompt makes sense for an image of `size`."""

    def prepare(self, prompt: P, size: Size, other: OtherImages) -> Prompt:
        """Return the prompt ready for any number of rounds on an image of `size`: checked, and loaded or drawn.

        Raises:
            InputError: the prompt makes no sense for this image.
        """
        self.check(prompt, size)
        return prompt


class TokenPromptEncoder(PromptEncoder[P]):
    """A prompt kind that makes its own tokens, such as a text or a sound."""

    @abstractmethod
    def encode(self, prompts: Sequence[P], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """Return the tokens of each prompt.

        Args:
            prompts: all prompts of this kind in the batch.
            images: for each prompt, the index of its image.
            context: the encoded images and the text tower.
        """


class RegionPromptEncoder(PromptEncoder[P]):
    """A prompt kind that marks pixels. `VisualSampler` makes the tokens from the features under them.

    Class attributes:
        exact: True if the pixels of a positive prompt are the object's mask itself, which tracking then follows.
    """

    group: ClassVar[Group] = VISUAL_PROMPT
    exact: ClassVar[bool] = False

    @abstractmethod
    def region(self, prompt: P, size: Size) -> Region:
        """Return the pixels that the prompt marks in an image of `size`; none if it is outside the image.

        Raises:
            InputError: the prompt belongs to another image, for example a mask of another size.
        """

    def mark(self, prompt: P, size: Size) -> Region:
        """Return the pixels that the prompt marks, at least one.

        Raises:
            InputError: it marks none, or belongs to another image.
        """
        region = self.region(prompt, size)
        if not len(region.positive) and not len(region.negative):
            written = {name: value for name, value in self.to_json(prompt).items() if name != "inside"}
            said = str(written)[:80]
            raise InputError(f"{self.kind} {said} marks no pixel: the image has {size.width} x {size.height} pixels")
        return region

    def dot(self, prompt: P) -> tuple[float, float] | None:
        """Return the point (x, y) at which pictures show the prompt as a dot; None shows the outline of its region."""
        return None

    def check(self, prompt: P, size: Size) -> None:
        """Raise InputError unless the prompt marks a pixel of the image."""
        self.mark(prompt, size)

    def prepare(self, prompt: P, size: Size, other: OtherImages) -> Prompt:
        """Return the prompt as a drawn region.

        Raises:
            InputError: it marks no pixel, or belongs to another image.
        """
        return DrawnRegion(self.mark(prompt, size), size)
