"""A prompt kind that marks no pixels: an embedding of a sound, as an audio model would compute it."""

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
"""Its tokens are read by the queries of the object that makes the sound; no table in seemkit knows it."""


@dataclass(frozen=True, slots=True)
class Sound(Prompt):
    """What the object sounds like.

    Attributes:
        embedding: `LENGTH` numbers.

    Raises:
        InputError: they are not so many, or one is not finite.
    """

    embedding: tuple[float, ...]

    def __post_init__(self) -> None:
        self._normalize(embedding=tuple(self.embedding))
        if len(self.embedding) != LENGTH or not all(math.isfinite(value) for value in self.embedding):
            raise InputError(f"sound: an embedding has {LENGTH} finite numbers")


class SoundEncoder(TokenPromptEncoder[Sound]):
    """One token a sound, and a vector that class embeddings are compared with; both are learned."""

    kind = "sound"
    accepts = Sound
    group = SOUND_PROMPT

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim)
        self.token = nn.Linear(LENGTH, embed_dim)
        self.pooled = nn.Linear(LENGTH, embed_dim)

    def encode(self, prompts: Sequence[Sound], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """The token and the vector of each sound; the image does not matter."""
        sounds = torch.tensor([prompt.embedding for prompt in prompts]).to(self.token.weight)
        pairs = zip(self.token(sounds), self.pooled(sounds), strict=True)
        return [PromptTokens([token[None]], pooled) for token, pooled in pairs]

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Sound]:
        """A noisy recording: every class has its own sound. Real data would bring real ones."""
        if subject.name is None or not bool(subject.mask.any()):
            return []
        own = torch.Generator().manual_seed(zlib.crc32(subject.name.encode()))
        sound = torch.randn(LENGTH, generator=own) + 0.1 * torch.randn(LENGTH, generator=generator)
        return [Sound(tuple(sound.tolist()))]

    @classmethod
    def parse(cls, text: str) -> Sound:
        """Numbers, separated by commas."""
        try:
            return Sound(tuple(float(part) for part in text.split(",")))
        except ValueError as error:
            raise InputError(f"sound {text[:20]!r}: expected {LENGTH} numbers, separated by commas") from error


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Brings the kind ``sound``."""
    register(SoundEncoder)
