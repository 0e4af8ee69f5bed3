"""Texts: class names and referring expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from seemkit import PromptEncoder, Text, hookimpl
from seemkit.errors import InputError
from seemkit.nn.tokens import TEXT_PROMPT, Group
from seemkit.prompts.encoder import PromptContext, PromptTokens
from seemkit.types import Size


class TextEncoder(PromptEncoder[Text]):
    """Texts through the text tower: one token a word piece, and the sentence vector to choose the query by."""

    kind: ClassVar[str] = "text"
    accepts: ClassVar[type[Text]] = Text
    group: ClassVar[Group] = TEXT_PROMPT

    def encode(self, prompts: Sequence[Text], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """The tokens of each text, start and end tokens included; the image does not matter."""
        features = context.language([prompt.text for prompt in prompts])
        return [
            PromptTokens([tokens[valid]], sentence)
            for tokens, valid, sentence in zip(features.tokens, features.valid, features.sentence, strict=True)
        ]

    def simulate(self, mask: Tensor, generator: torch.Generator) -> list[Text]:
        """Nothing: a mask does not say what it is called."""
        return []

    def parse(self, text: str) -> Text:
        """The text as it stands."""
        if not text.strip():
            raise InputError("text prompt is empty: say what to look for, for example 'the red star'")
        return Text(text)

    def check(self, prompt: Text, size: Size) -> None:
        """Nothing, if the text is not empty."""
        self.parse(prompt.text)


@hookimpl
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Brings the kind ``text``."""
    register(TextEncoder)
