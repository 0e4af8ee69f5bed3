"""The interface of a prompt kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from seemkit.nn.context import ImageContext
from seemkit.nn.language import LanguageTower
from seemkit.nn.tokens import VISUAL_PROMPT, Group
from seemkit.ops.region import Region
from seemkit.prompts.values import Prompt
from seemkit.types import Size

if TYPE_CHECKING:
    from seemkit.prompts.sampler import VisualSampler

P = TypeVar("P", bound=Prompt)


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What a prompt encoder may look at.

    Attributes:
        images: the encoded images.
        language: the text tower.
        sampler: samples features under regions, of these images or of another.
    """

    images: ImageContext
    language: LanguageTower
    sampler: VisualSampler


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """The tokens of one prompt.

    Attributes:
        values: one [n, C], or one a level where the group's tokens are fresh at each; they are also the positions.
        pooled: [C_pooled], the one vector that a query's prediction is compared with to choose the answer.
    """

    values: list[Tensor]
    pooled: Tensor


class PromptEncoder(nn.Module, ABC, Generic[P]):
    """A prompt kind: what it accepts, the tokens it makes, how to draw one from a mask and how to read one.

    Subclass this for a kind with tokens of its own (text, a sound); subclass `RegionPrompt` for one that marks pixels.

    Args:
        width: C, channels of the tokens.

    Class attributes:
        kind: the name in YAML, on the command line and in reports, for example ``"scribble"``.
        accepts: the frozen dataclass that it takes.
        group: the token group that its tokens join.
    """

    kind: ClassVar[str]
    accepts: ClassVar[type[Prompt]]
    group: ClassVar[Group]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @abstractmethod
    def encode(self, prompts: Sequence[P], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """The tokens of each prompt.

        Args:
            prompts: all prompts of this kind in the batch.
            images: for each prompt, the index of its image.
            context: the encoded images and the text tower.
        """

    @abstractmethod
    def simulate(self, mask: Tensor, generator: torch.Generator) -> list[P]:
        """Prompts that a user could have given for an object, empty if this kind cannot be drawn from a mask.

        Args:
            mask: bool [H, W], the object.
            generator: the only source of randomness.
        """

    @abstractmethod
    def parse(self, text: str) -> P:
        """The prompt that a command-line word says.

        Raises:
            InputError: the word does not say one.
        """

    def check(self, prompt: P, size: Size) -> None:
        """Nothing, if the prompt makes sense for an image of `size`.

        Raises:
            InputError: it does not, for example because it lies outside.
        """


class RegionPrompt(PromptEncoder[P]):
    """A prompt kind that marks pixels; `VisualSampler` makes the tokens from the features under them."""

    group: ClassVar[Group] = VISUAL_PROMPT

    @abstractmethod
    def region(self, prompt: P, size: Size) -> Region:
        """The pixels that the prompt marks in an image of `size`."""

    def encode(self, prompts: Sequence[P], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """Not used: regions of one object are united whatever kinds drew them, which `VisualSampler` does."""
        raise TypeError(f"prompt kind {self.kind!r} marks pixels; its tokens come from VisualSampler")
