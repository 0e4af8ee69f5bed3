"""What `Session.find_all` looks for: a text, an example, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.nn.heads import Embeddings, cosine_similarity
from seemkit.prompts.values import Prompt, Text
from seemkit.types import Vocabulary


class Asked(NamedTuple):
    """The prompts of one call, apart: the text, and those that show an example."""

    text: str | None
    examples: tuple[Prompt, ...]


class Concept(NamedTuple):
    """What is looked for.

    Attributes:
        label: label of what is found.
        text: class name or phrase; None without one.
        example: class embedding of the example, [C]; None without one.
    """

    label: str
    text: str | None
    example: Float[Tensor, " C"] | None

    def scores(self, network: SEEM, found: Embeddings, vocabulary: Vocabulary) -> Float[Tensor, " Q"]:
        """Return the probability that each object query of an image is meant.

        Args:
            network: the network.
            found: the object queries, [1, Q, C].
            vocabulary: class names that compete with the text, and by which queries are compared with the example.
        """
        scores = 1 - network.class_logits(found, network.embed_vocabulary(vocabulary))[0].softmax(dim=-1)[:, -1]
        if self.text is not None:
            vectors = _with_rivals(network, self.text, vocabulary)
            scores = network.class_logits(found, vectors)[0].softmax(dim=-1)[:, 0]
        if self.example is not None:
            vectors, scale = network.embed_vocabulary(vocabulary)[:-1], network.language.scale
            shown = cosine_similarity(self.example[None], vectors, scale).softmax(dim=-1)
            seen = cosine_similarity(found.classes[0], vectors, scale).softmax(dim=-1)
            scores = scores * F.cosine_similarity(shown, seen, dim=-1)
        return scores


def take_apart(prompts: Sequence[Prompt]) -> Asked:
    """Return the text and the prompts that show an example.

    Raises:
        InputError: no prompt is given, more than one is a text, or all that show an example are negative.
    """
    if not prompts:
        raise InputError("find_all: give at least one prompt")
    texts = [prompt.text for prompt in prompts if isinstance(prompt, Text)]
    examples = tuple(prompt for prompt in prompts if not isinstance(prompt, Text))
    if len(texts) > 1:
        raise InputError(f"find_all: {len(texts)} texts; give one, and call again for the others")
    if examples and not any(prompt.positive for prompt in examples):
        raise InputError("find_all: all prompts that show an example are negative; add one that is on an object")
    return Asked(texts[0] if texts else None, examples)


def _with_rivals(network: SEEM, text: str, vocabulary: Vocabulary) -> Float[Tensor, "N C"]:
    """Return the vector of a text, followed by those of the class names that compete with it and of the background.

    The network keeps the vectors of the class names, and that of the text for the next image.
    """
    known = network.embed_vocabulary(vocabulary)
    if text in vocabulary.names:
        place = vocabulary.names.index(text)
        return torch.cat((known[place : place + 1], known[:place], known[place + 1 :]))
    return torch.cat((network.language.embed_classes((text,), network.templates)[:1], known))
