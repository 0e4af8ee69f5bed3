"""The text tower: sentences to token vectors and one vector a sentence, in the space of class embeddings.

The tower trims padding, which is exact because attention is causal and everything is read at or before the first
end-of-text token.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.nn.text_transformer import Norm, TextTransformer
from seemkit.nn.tokenizer import VOCABULARY_SIZE, tokenize

BACKGROUND = "background"
"""The name of the no-object class, which is always the last one."""

NAME_SUFFIXES = ("-other", "-merged", "-stuff")
"""Parts of COCO's stuff names that say nothing about how the class looks."""


class TextFeatures(NamedTuple):
    """T encoded texts.

    Attributes:
        tokens: [T, L, C], one vector a token, start and end tokens included, not normalized.
        valid: bool [T, L], False behind the end of a text.
        sentence: [T, C], the vector at the end token, not normalized.
    """

    tokens: Tensor
    valid: Tensor
    sentence: Tensor


@cache
def imagenet_templates() -> tuple[str, ...]:
    """The 81 sentences around a class name: the bare name and CLIP's ImageNet templates (Radford et al., 2021)."""
    from open_clip import OPENAI_IMAGENET_TEMPLATES  # takes seconds to import, and not every model asks for it

    return ("{}.", *(template("{}") for template in OPENAI_IMAGENET_TEMPLATES))


class LanguageTower(nn.Module):
    """A CLIP-like causal text transformer with a projection and a learned logit scale.

    Args:
        embed_dim: channels of the transformer.
        layers: its depth.
        num_heads: its attention heads.
        output_dim: C, channels of text embeddings.
        context_length: most tokens of a text, start and end included.
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
        self._known: dict[tuple[Hashable, ...], Tensor] = {}  # class vectors
        self._sentences: dict[str, Tensor] = {}  # unit vectors of single sentences while the tower is frozen
        self.register_load_state_dict_post_hook(lambda tower, _: tower.forget())  # type: ignore[no-untyped-call]
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.projection, std=embed_dim**-0.5)

    @property
    def scale(self) -> Tensor:
        """The factor on cosine similarities with class names; not clamped."""
        return self.logit_scale.exp()

    @property
    def phrase_scale(self) -> Tensor:
        """The factor on cosine similarities with phrases; at most 100."""
        return self.logit_scale.exp().clamp(max=100)

    def forward(self, texts: Sequence[str]) -> TextFeatures:
        """The features of the texts."""
        ids = tokenize(texts, self.context_length).to(self.projection.device)
        length = ids.shape[1]
        hidden = self.token_embedding(ids) + self.positional_embedding[:length]
        tokens = self.final_norm(self.transformer(hidden)) @ self.projection
        ends = ids.argmax(dim=1)  # the end token has the highest id
        valid = torch.arange(length, device=ids.device) <= ends[:, None]
        return TextFeatures(tokens, valid, tokens[torch.arange(len(ids), device=ids.device), ends])

    def embed_classes(self, names: Sequence[str], templates: Sequence[str]) -> Float[Tensor, "K1 C"]:
        """Unit vectors of K class names and, last, of the background.

        Each is the mean over the templates of the normalized sentence vectors, normalized. In evaluation mode and
        without gradient they are computed once for the same names, until weights, mode, device or type change.
        """
        remembers = not self.training and not torch.is_grad_enabled()
        key = self._key(names, templates)
        if remembers and key in self._known:
            return self._known[key]
        vectors = torch.stack([self._embed_class(name, templates) for name in (*names, BACKGROUND)])
        if remembers:
            self._known[key] = vectors
        return vectors

    def _embed_class(self, name: str, templates: Sequence[str]) -> Float[Tensor, " C"]:
        sentences = self([template.format(_bare(name)) for template in templates]).sentence
        mean = (sentences / (sentences.norm(dim=-1, keepdim=True) + 1e-7)).mean(dim=0)
        return mean / mean.norm()

    def remember(self, names: Sequence[str], templates: Sequence[str], vectors: Float[Tensor, "K1 C"]) -> None:
        """Takes class vectors that were computed earlier with the same weights, as `embed_classes` returns them."""
        self._known[self._key(names, templates)] = vectors.to(self.projection)

    def _key(self, names: Sequence[str], templates: Sequence[str]) -> tuple[Hashable, ...]:
        """Names, templates and a mark of the weights, which averaging swaps without a word."""
        return tuple(names), tuple(templates), float(self.projection.detach().sum())

    def forget(self) -> None:
        """Drops all remembered vectors, because something that they depend on changes."""
        self._known.clear()
        self._sentences.clear()

    def train(self, mode: bool = True) -> Self:
        """As in every module; class vectors are forgotten."""
        self._known.clear()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.forget()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def embed_classes_once(
        self, names: Sequence[str], generator: torch.Generator, templates: Sequence[str]
    ) -> Float[Tensor, "K1 C"]:
        """Unit vectors of K class names and the background, each in one random template (as in training).

        A frozen tower computes each sentence once.
        """
        draw = torch.randint(len(templates), (len(names) + 1,), generator=generator).tolist()
        texts = [templates[i].format(_bare(name)) for i, name in zip(draw, (*names, BACKGROUND), strict=True)]
        texts = [text.replace(",", "").replace("+", " ") for text in texts]
        if any(parameter.requires_grad for parameter in self.parameters()):
            self._sentences.clear()
            return self._unit_sentences(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in self._sentences]
        if missing:
            self._sentences |= zip(missing, self._unit_sentences(missing), strict=True)
        return torch.stack([self._sentences[text] for text in texts])

    def _unit_sentences(self, texts: Sequence[str]) -> Float[Tensor, "T C"]:
        sentences = self(texts).sentence
        return sentences / (sentences.norm(dim=-1, keepdim=True) + 1e-7)


def _bare(name: str) -> str:
    for suffix in NAME_SUFFIXES:
        name = name.replace(suffix, "")
    return name
