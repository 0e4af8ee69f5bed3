"""The interface of a prompt kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from seemkit.errors import InputError
from seemkit.nn.context import ImageContext
from seemkit.nn.language import LanguageTower
from seemkit.nn.tokens import VISUAL_PROMPT, Group
from seemkit.ops.region import Region
from seemkit.prompts.serialization import from_fields, to_fields
from seemkit.prompts.values import Prompt
from seemkit.types import Size

if TYPE_CHECKING:
    from seemkit.prompts.sampler import VisualSampler

P = TypeVar("P", bound=Prompt)

EncodeImage = Callable[[Tensor], ImageContext]
"""Encodes one image, [3, H, W], RGB, 0..255."""


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What a prompt encoder may look at.

    Attributes:
        images: the encoded images.
        language: the text tower.
        sampler: samples features under regions, of these images or of another.
        encode_image: encodes another image.
    """

    images: ImageContext
    language: LanguageTower
    sampler: VisualSampler
    encode_image: EncodeImage


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """The tokens of one prompt.

    Attributes:
        values: one [n, C], or one a level where the group's tokens are fresh at each; they are also the positions.
        pooled: the one vector that queries are compared with to choose the answer: of a visual prompt [C_mask],
            compared with mask embeddings; of any other [C_text], compared with class embeddings.
    """

    values: list[Tensor]
    pooled: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRegion(Prompt):
    """A region of this image or another whose tokens are made already: a prompt that no kind has to encode.

    It keeps nothing else of the image that it was seen in.

    Attributes:
        tokens: as `VisualSampler.describe` returns them.
    """

    tokens: PromptTokens


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
    """A prompt kind: what it accepts, the tokens it makes, how a user is simulated, and how it is read and written.

    Subclass this for a kind with tokens of its own (text, a sound); subclass `RegionPromptEncoder` for one that marks
    pixels.
    `seemkit.testing.check_prompt_encoder` tests that a subclass keeps to what is said here.

    An encoder with weights takes part only in networks whose architecture names its kind under ``prompts``.

    Args:
        embed_dim: C, channels of the tokens and of text embeddings.

    Class attributes:
        kind: the name in YAML, on the command line and in reports, for example ``"scribble"``.
        accepts: the frozen dataclass that it takes.
        group: the token group that its tokens join; a new one says in `read_by` which queries read it.
    """

    kind: ClassVar[str]
    accepts: ClassVar[type[Prompt]]
    group: ClassVar[Group]

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim

    @abstractmethod
    def encode(self, prompts: Sequence[P], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """The tokens of each prompt.

        Args:
            prompts: all prompts of this kind in the batch.
            images: for each prompt, the index of its image.
            context: the encoded images and the text tower.
        """

    @abstractmethod
    def simulate(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """Prompts of a user in training who wants an object; none if this kind cannot say that.

        Args:
            subject: the object.
            generator: the only source of randomness.
        """

    def start(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """The prompts with which a user in evaluation starts; the same as in training unless a kind says otherwise."""
        return self.simulate(subject, generator)

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> P:
        """The prompt that a command-line word says.

        Raises:
            InputError: the word does not say one.
        """

    @classmethod
    def to_json(cls, prompt: P) -> dict[str, Any]:
        """The prompt as plain data: its fields that are not at their defaults, masks run-length encoded as in COCO."""
        return to_fields(prompt)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> P:
        """The prompt that `to_json` wrote.

        Raises:
            InputError: a field is unknown, missing or wrong.
        """
        return cast(P, from_fields(cls.kind, cls.accepts, values))

    def prepare(self, prompt: P, encode_image: EncodeImage) -> P:
        """The prompt with everything loaded that would otherwise be loaded in each round, such as another image."""
        return prompt

    def check(self, prompt: P, size: Size) -> None:
        """Nothing, if the prompt makes sense for an image of `size`.

        Raises:
            InputError: it does not.
        """


class RegionPromptEncoder(PromptEncoder[P]):
    """A prompt kind that marks pixels; `VisualSampler` makes the tokens from the features under them."""

    group: ClassVar[Group] = VISUAL_PROMPT

    @abstractmethod
    def region(self, prompt: P, size: Size) -> Region:
        """The pixels that the prompt marks in an image of `size`; none if it lies beside the image.

        Raises:
            InputError: the prompt is of another image, for example a mask of another size.
        """

    def mark(self, prompt: P, size: Size) -> Region:
        """The pixels that the prompt marks, at least one.

        Raises:
            InputError: it marks none, or is of another image.
        """
        region = self.region(prompt, size)
        if not len(region.positive) and not len(region.negative):
            written = {name: value for name, value in self.to_json(prompt).items() if name != "inside"}
            said = str(written)[:80]
            raise InputError(f"{self.kind} {said} marks no pixel: the image has {size.width} x {size.height} pixels")
        return region

    def check(self, prompt: P, size: Size) -> None:
        """Nothing, if the prompt marks a pixel of the image."""
        self.mark(prompt, size)

    def encode(self, prompts: Sequence[P], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """Not used: regions of one object are united whatever kinds drew them, which `VisualSampler` does."""
        raise TypeError(f"prompt kind {self.kind!r} marks pixels; its tokens come from VisualSampler")
