"""The interface of a prompt kind, which either marks pixels or makes tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

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
Gesture = Literal["click", "drag-box", "drag-circle", "stroke", "path", "text", "file", "reference"]
"""How a user of a graphical program gives a prompt; see `PromptEncoder`."""


@dataclass(frozen=True, slots=True)
class OtherImages:
    """What a prompt that refers to another image needs.

    Attributes:
        encode: function that encodes one image, [3, H, W], RGB, 0..255.
        describe: function that returns the tokens of the region that prompts mark in an encoded image; see
            `VisualSampler.describe`.
    """

    encode: Callable[[Tensor], ImageContext]
    describe: Callable[[Sequence[Prompt], ImageContext], PromptTokens]


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What a prompt encoder can use.

    Attributes:
        images: the encoded images.
        language: the text tower.
        other: functions that encode and describe other images.
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
        phrases: known referring expressions for the object.
    """

    mask: Tensor
    name: str | None = None
    phrases: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """Height and width of the image."""
        return Size(self.mask.shape[-2], self.mask.shape[-1])


class PromptEncoder(nn.Module, ABC, Generic[P]):
    """Base of all prompt encoders: accepts one value class, simulates a user, and reads and writes prompts.

    Subclass `RegionPromptEncoder` or `TokenPromptEncoder`. `seemkit.testing.check_prompt_encoder` tests a subclass.
    A network includes an encoder with weights only if its architecture names the kind under ``prompts``.

    Args:
        embed_dim: C, channels of the tokens and of text embeddings.

    Class attributes:
        kind: the name in YAML, on the command line and in reports, for example ``"scribble"``.
        accepts: the frozen dataclass of its prompt values.
        group: the token group of its tokens. The `read_by` of a new group names the queries that read the tokens.
        gesture: how a user of a graphical program gives the prompt; None if no program can offer it. The coordinates of
            the gesture, in pixels of the image, are the word that `parse` reads: ``click`` X,Y; ``drag-box``
            X0,Y0,X1,Y1 of two corners; ``drag-circle`` X,Y,RADIUS; ``stroke`` and ``path`` X,Y,X,Y,… of a line that is
            drawn and of vertices that are clicked. A ``text`` is itself the word, and a ``file`` its path. A
            ``reference`` is made by prompts in another image.
    """

    kind: ClassVar[str]
    accepts: ClassVar[type[Prompt]]
    group: ClassVar[Group]
    gesture: ClassVar[Gesture | None] = None

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim

    @abstractmethod
    def simulate(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """Return the prompts of a simulated user in training; an empty list if this kind cannot describe the object.

        Args:
            subject: the object.
            generator: the only source of randomness.
        """

    def start(self, subject: Subject, generator: torch.Generator) -> list[P]:
        """Return the first prompts of a simulated user in evaluation; by default those of `simulate`."""
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
        """Return the object's name according to the prompt; None if this kind gives no name."""
        return None

    def check(self, prompt: P, size: Size) -> None:
        """Raise InputError unless the prompt is valid for an image of `size`."""

    def prepare(self, prompt: P, size: Size, other: OtherImages) -> Prompt:
        """Return the prompt after checking and loading, ready for any number of rounds on an image of `size`.

        Raises:
            InputError: the prompt is not valid for this image.
        """
        self.check(prompt, size)
        return prompt


class TokenPromptEncoder(PromptEncoder[P]):
    """Base of the encoders that make tokens, for example of a text or a sound."""

    @abstractmethod
    def encode(self, prompts: Sequence[P], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """Return the tokens of each prompt.

        Args:
            prompts: all prompts of this kind in the batch.
            images: image index of each prompt.
            context: the encoded images and the text tower.
        """


class RegionPromptEncoder(PromptEncoder[P]):
    """Base of the encoders that mark pixels. `VisualSampler` makes tokens from the features at these pixels.

    Class attributes:
        exact: True if the pixels of a positive prompt are exactly the object's mask. `Tracker` then uses them as the
            mask in the first frame.
    """

    group: ClassVar[Group] = VISUAL_PROMPT
    exact: ClassVar[bool] = False

    @abstractmethod
    def region(self, prompt: P, size: Size) -> Region:
        """Return the pixels that the prompt marks in an image of `size`; an empty region if it is outside the image.

        Raises:
            InputError: the prompt belongs to another image, for example a mask of another size.
        """

    def mark(self, prompt: P, size: Size) -> Region:
        """Return the pixels that the prompt marks, at least one.

        Raises:
            InputError: the prompt marks no pixel, or belongs to another image.
        """
        region = self.region(prompt, size)
        if not len(region.positive) and not len(region.negative):
            written = {name: value for name, value in self.to_json(prompt).items() if name != "inside"}
            said = str(written)[:80]
            raise InputError(f"{self.kind} {said} marks no pixel of the image of {size.width} x {size.height} pixels")
        return region

    def dot(self, prompt: P) -> tuple[float, float] | None:
        """Return the point (x, y) where drawings show the prompt as a dot; None to draw the outline of its region."""
        return None

    def check(self, prompt: P, size: Size) -> None:
        """Raise InputError unless the prompt marks a pixel of the image."""
        self.mark(prompt, size)

    def prepare(self, prompt: P, size: Size, other: OtherImages) -> Prompt:
        """Return the prompt as a `DrawnRegion`.

        Raises:
            InputError: the prompt marks no pixel, or belongs to another image.
        """
        return DrawnRegion(self.mark(prompt, size), size)
