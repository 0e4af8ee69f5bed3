"""Text prompts: class names and referring expressions."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from seemkit.plugin import (
    TEXT_PROMPT,
    PromptContext,
    PromptTokens,
    Register,
    Subject,
    Text,
    TokenPromptEncoder,
    hookimpl,
)

SEEMKIT_API = 2


class TextEncoder(TokenPromptEncoder[Text]):
    """Makes one token per word piece with the text tower, and the sentence vector that selects the query."""

    kind = "text"
    accepts = Text
    group = TEXT_PROMPT
    gesture = "text"

    def encode(self, prompts: Sequence[Text], images: Sequence[int], context: PromptContext) -> list[PromptTokens]:
        """Return the tokens of each text, including the start and end tokens; the image is not used."""
        features = context.language([prompt.text for prompt in prompts])
        return [
            PromptTokens([tokens[:length]], sentence)
            for tokens, length, sentence in zip(features.tokens, features.lengths, features.sentence, strict=True)
        ]

    def label(self, prompt: Text) -> str:
        """Return the text."""
        return prompt.text

    def simulate(self, subject: Subject, generator: torch.Generator) -> list[Text]:
        """Return one of the object's phrases or its class name, with equal probability; nothing if none are known."""
        known = [*subject.phrases, *([] if subject.name is None else [subject.name])]
        return [Text(known[int(torch.randint(len(known), (1,), generator=generator))])] if known else []

    @classmethod
    def parse(cls, text: str) -> Text:
        """Return the text unchanged, as a prompt."""
        return Text(text)


@hookimpl
def seemkit_register_prompts(register: Register) -> None:
    """Register the kind ``text``."""
    register(TextEncoder)
