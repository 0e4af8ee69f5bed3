"""An example of a prompt kind that marks no pixels: the embedding of a sound, as an audio model computes it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from seemkit.plugin import (
    VISUAL_QUERY,
    Group,
    InputError,
    Prompt,
    PromptContext,
    PromptTokens,
    Register,
    Role,
    Subject,
    TokenPromptEncoder,
    hookimpl,
)

SEEMKIT_API = 2
LENGTH = 16
SOUND_PROMPT = Group("sound_prompt", Role.PROMPT, read_by=frozenset({VISUAL_QUERY.name}))
"""The visual queries of the object that makes the sound read these tokens; no code in seemkit names this group."""


@dataclass(frozen=True, slots=True)
class Sound(Prompt):
    """The sound of the object.

    Attributes:
        embedding: `LENGTH` numbers.

    Raises:
        InputError: the embedding does not have `LENGTH` finite numbers.
    """

    embedding: tuple[float, ...]

    def __post_init__(self) -> None:
        self._normalize(embedding=tuple(self.embedding))
        if len(self.embedding) != LENGTH or not all(math.isfinite(value) for value in self.embedding):
            raise InputError(f"sound: embedding is not valid; expected {LENGTH} finite numbers")


class SoundEncoder(TokenPromptEncoder[Sound]):
    """Makes one token per sound, and a vector that class embeddings are compared with, by two learned layers."""

    kind = "sound"
    accepts = Sound
    group = SOUND_PROMPT

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim)
        self.token = nn.Linear(LENGTH, embed_dim)
        self.pooled = nn.Linear(LENGTH, embed_dim)

    def encode(self, prompts: Sequence[Sound], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """Return the token and the vector of each sound; the image is not used."""
        sounds = torch.tensor([prompt.embedding for prompt in prompts]).to(self.token.weight)
        pairs = zip(self.token(sounds), self.pooled(sounds), strict=True)
        return [PromptTokens([token[None]], pooled) for token, pooled in pairs]

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Sound]:
        """Return a noisy version of the sound of the object's class. Use recordings if your data has them."""
        if subject.name is None or not bool(subject.mask.any()):
            return []
        own = torch.Generator().manual_seed(zlib.crc32(subject.name.encode()))
        sound = torch.randn(LENGTH, generator=own) + 0.1 * torch.randn(LENGTH, generator=generator)
        return [Sound(tuple(sound.tolist()))]

    @classmethod
    def parse(cls, text: str) -> Sound:
        """Return the sound of `LENGTH` numbers separated by commas.

        Raises:
            InputError: the text does not have this form.
        """
        try:
            return Sound(tuple(float(part) for part in text.split(",")))
        except ValueError as error:
            raise InputError(f"sound {text[:20]!r}: expected {LENGTH} numbers separated by commas") from error


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``sound``."""
    register(SoundEncoder)
