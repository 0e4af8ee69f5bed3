"""The text tower, which encodes sentences as token vectors and one sentence vector each.

The vectors are in the space of class embeddings. The tower trims padding, which does not change the results: attention
is causal, and nothing after the first end-of-text token is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seemkit.nn.architecture import Architecture
from seemkit.nn.sentences import Starts, name_vectors, read_starts, read_templates, sentence_vectors, unit
from seemkit.nn.text_transformer import Norm, TextTransformer
from seemkit.nn.tokenizer import VOCABULARY_SIZE, tokenize
from seemkit.ops.transfer import send

BACKGROUND = "background"
"""Name of the no-object class, which is always last."""

NAME_SUFFIXES = ("-other", "-merged", "-stuff")
"""Parts of COCO's stuff names that do not describe the class."""


class TextFeatures(NamedTuple):
    """T encoded texts.

    Attributes:
        tokens: [T, L, C], one vector for each token including the start and end tokens, not normalized.
        sentence: [T, C], the vector at the end token, not normalized.
        lengths: number of tokens of each text, on the host.
    """

    tokens: Tensor
    sentence: Tensor
    lengths: list[int]

    @property
    def valid(self) -> Bool[Tensor, "T L"]:
        """False after the end of a text."""
        device = self.tokens.device
        lengths = send(torch.tensor(self.lengths), device)
        return torch.arange(self.tokens.shape[1], device=device) < lengths[:, None]


@cache
def imagenet_templates() -> tuple[str, ...]:
    """Return 81 templates for a class name: the bare name and CLIP's ImageNet templates (Radford et al., 2021)."""
    from open_clip import OPENAI_IMAGENET_TEMPLATES  # takes seconds to import, and not every model needs it

    return ("{}.", *(template("{}") for template in OPENAI_IMAGENET_TEMPLATES))


class LanguageTower(nn.Module):
    """A CLIP-like causal text transformer with a projection and a learned logit scale.

    Args:
        embed_dim: channels of the transformer.
        layers: number of layers of the transformer.
        num_heads: number of attention heads of the transformer.
        output_dim: C, channels of text embeddings.
        context_length: maximum number of tokens of a text, including the start and end tokens.
        logit_scale: initial logarithm of the scale of cosine similarities.
    """

    def __init__(
        self,
        embed_dim: int,
        layers: int,
        num_heads: int,
        output_dim: int,
        context_length: int = 77,
        logit_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.context_length = context_length
        self.token_embedding = nn.Embedding(VOCABULARY_SIZE, embed_dim)
        self.positional_embedding = nn.Parameter(torch.empty(context_length, embed_dim))
        self.transformer = TextTransformer(embed_dim, layers, num_heads)
        self.final_norm = Norm(embed_dim)
        self.projection = nn.Parameter(torch.empty(embed_dim, output_dim))
        self.logit_scale = nn.Parameter(torch.tensor(logit_scale))
        self._classes: dict[tuple[str, ...], dict[str, Tensor]] = {}  # vectors of names, by templates
        self._starts: dict[tuple[str, ...], Starts] = {}  # what was read of the last templates
        self._sentences: dict[str, Tensor] = {}  # unit vectors of single sentences while the tower is frozen
        self.register_load_state_dict_post_hook(lambda tower, _: tower._forget())  # type: ignore[no-untyped-call]
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.projection, std=embed_dim**-0.5)

    @classmethod
    def of(cls, architecture: Architecture) -> Self:
        """Return the text tower of an architecture."""
        a = architecture
        return cls(a.text_embed_dim, a.text_layers, a.text_num_heads, a.embed_dim, logit_scale=a.logit_scale)

    @property
    def scale(self) -> Tensor:
        """Factor on cosine similarities with class names; not clamped."""
        return self.logit_scale.exp()

    @property
    def phrase_scale(self) -> Tensor:
        """Factor on cosine similarities with phrases; at most 100."""
        return self.logit_scale.exp().clamp(max=100)

    def forward(self, texts: Sequence[str]) -> TextFeatures:
        """Return the features of the texts."""
        ids = tokenize(texts, self.context_length)
        ends = ids.argmax(dim=1)  # the end token has the highest id
        device = self.projection.device
        tokens = self.project(self.transformer(self.embed(ids, torch.arange(ids.shape[1]))))
        sentence = tokens[torch.arange(len(ids), device=device), send(ends, device)]
        return TextFeatures(tokens, sentence, (ends + 1).tolist())

    def embed(self, ids: Int[Tensor, "T L"], positions: Int[Tensor, "*T L"]) -> Float[Tensor, "T L E"]:
        """Return what the transformer reads of token ids at these positions in their text, both on the host."""
        device = self.projection.device
        return self.token_embedding(send(ids, device)) + self.positional_embedding[send(positions, device)]

    def project(self, hidden: Float[Tensor, "T L E"]) -> Float[Tensor, "T L C"]:
        """Return the vectors of tokens, from those after the last block."""
        return self.final_norm(hidden) @ self.projection

    def embed_classes(self, names: Sequence[str], templates: Sequence[str]) -> Float[Tensor, "K1 C"]:
        """Return unit vectors of K class names and, last, of the background.

        A class vector is the normalized mean, over the templates, of the normalized sentence vectors. In evaluation
        mode without gradient, the vector of a name is computed once. Loading weights, changing mode, device or dtype,
        and `forget_classes` discard them. Call `forget_classes` after changing weights in place in evaluation mode.
        """
        wanted = (*names, BACKGROUND)
        if self.training or torch.is_grad_enabled():
            return self._name_vectors(wanted, templates, None)
        missing = self.unknown(names, templates)
        if missing:
            starts = self._starts.get(tuple(templates)) or read_templates(self, templates)
            self._starts = {tuple(templates): starts}  # tens of megabytes
            self.remember(templates, dict(zip(missing, self._name_vectors(missing, templates, starts), strict=True)))
        return torch.stack([self.known(name, templates) for name in wanted])

    def unknown(self, names: Sequence[str], templates: Sequence[str]) -> list[str]:
        """Return those of the names and the background whose vectors `embed_classes` would have to compute."""
        known = self._classes.get(tuple(templates), {})
        return [name for name in dict.fromkeys((*names, BACKGROUND)) if name not in known]

    def known(self, name: str, templates: Sequence[str]) -> Float[Tensor, " C"]:
        """Return the vector of a name that is not `unknown`."""
        return self._classes[tuple(templates)][name]

    def remember(self, templates: Sequence[str], vectors: Mapping[str, Float[Tensor, " C"]]) -> None:
        """Store class vectors by name, which `embed_classes` returned earlier with the same weights."""
        known = self._classes.setdefault(tuple(templates), {})
        known |= {name: vector.to(self.projection) for name, vector in vectors.items()}

    def _name_vectors(
        self, names: Sequence[str], templates: Sequence[str], starts: Starts | None
    ) -> Float[Tensor, "K C"]:
        return name_vectors(self, [_bare(name) for name in names], templates, starts)

    def forget_classes(self) -> None:
        """Discard the stored class vectors, for use after the weights have changed."""
        self._classes.clear()
        self._starts.clear()

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode and discard the stored class vectors."""
        self.forget_classes()
        return super().train(mode)

    def _forget(self) -> None:
        self.forget_classes()
        self._sentences.clear()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._forget()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def embed_classes_once(
        self, names: Sequence[str], generator: torch.Generator, templates: Sequence[str]
    ) -> Float[Tensor, "K1 C"]:
        """Return unit vectors of K class names and the background, each in one random template, for training.

        A frozen tower computes each sentence once.
        """
        draw = torch.randint(len(templates), (len(names) + 1,), generator=generator).tolist()
        texts = [templates[i].format(_bare(name)) for i, name in zip(draw, (*names, BACKGROUND), strict=True)]
        texts = [text.replace(",", "").replace("+", " ") for text in texts]
        if any(parameter.requires_grad for parameter in self.parameters()):
            self._sentences.clear()
            return unit(self(texts).sentence)
        missing = [text for text in dict.fromkeys(texts) if text not in self._sentences]
        if missing:
            self._sentences |= zip(missing, sentence_vectors(self, missing, read_starts(self)), strict=True)
        return torch.stack([self._sentences[text] for text in texts])


def _bare(name: str) -> str:
    for suffix in NAME_SUFFIXES:
        name = name.replace(suffix, "")
    return name
