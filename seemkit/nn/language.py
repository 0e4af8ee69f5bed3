"""The text tower, which encodes sentences as token vectors and one sentence vector each.

The vectors are in the space of class embeddings. The tower trims padding, which does not change the results: attention
is causal, and nothing after the first end-of-text token is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seemkit.nn.architecture import Architecture
from seemkit.nn.text_transformer import Norm, TextTransformer
from seemkit.nn.tokenizer import VOCABULARY_SIZE, tokenize
from seemkit.ops.transfer import send

BACKGROUND = "background"
"""Name of the no-object class, which is always last."""

NAME_SUFFIXES = ("-other", "-merged", "-stuff")
"""Parts of COCO's stuff names that do not describe the class."""

BATCH, LENGTH_STEP = 16, 8
"""Number of texts in a batch of fixed shape, and the step of its lengths in tokens."""


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
        self._classes: dict[tuple[tuple[str, ...], tuple[str, ...]], Tensor] = {}  # vectors by names and templates
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
        return self.encode(tokenize(texts, self.context_length))

    def encode(self, ids: Int[Tensor, "T L"]) -> TextFeatures:
        """Return the features of texts given as token ids on the host; see `seemkit.nn.tokenizer.tokenize`."""
        ends = ids.argmax(dim=1)  # the end token has the highest id
        device = self.projection.device
        hidden = self.token_embedding(send(ids, device)) + self.positional_embedding[: ids.shape[1]]
        tokens = self.final_norm(self.transformer(hidden)) @ self.projection
        sentence = tokens[torch.arange(len(ids), device=device), send(ends, device)]
        return TextFeatures(tokens, sentence, (ends + 1).tolist())

    def embed_classes(self, names: Sequence[str], templates: Sequence[str]) -> Float[Tensor, "K1 C"]:
        """Return unit vectors of K class names and, last, of the background.

        A class vector is the normalized mean, over the templates, of the normalized sentence vectors. In evaluation
        mode without gradient, the vectors of the same names are computed once. Loading weights, changing mode, device
        or dtype, and `forget_classes` discard them. Call `forget_classes` after changing weights in place in evaluation
        mode.
        """
        key = (tuple(names), tuple(templates))
        if self.training or torch.is_grad_enabled():
            return self._embed_classes(*key)
        if key not in self._classes:
            self._classes[key] = self._embed_classes(*key)
        return self._classes[key]

    def _embed_classes(self, names: Sequence[str], templates: Sequence[str]) -> Float[Tensor, "K1 C"]:
        return torch.stack([self.embed_class(name, templates) for name in (*names, BACKGROUND)])

    def embed_class(self, name: str, templates: Sequence[str]) -> Float[Tensor, " C"]:
        """Return the unit vector of one class name; see `embed_classes`."""
        mean = self._unit_sentences([template.format(_bare(name)) for template in templates]).mean(dim=0)
        return mean / mean.norm()

    def remember(self, names: Sequence[str], templates: Sequence[str], vectors: Float[Tensor, "K1 C"]) -> None:
        """Store class vectors that `embed_classes` returned earlier with the same weights."""
        self._classes[tuple(names), tuple(templates)] = vectors.to(self.projection)

    def forget_classes(self) -> None:
        """Discard the stored class vectors, for use after the weights have changed."""
        self._classes.clear()

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
            return self._unit_sentences(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in self._sentences]
        if missing:
            self._sentences |= self._lasting_sentences(missing)
        return torch.stack([self._sentences[text] for text in texts])

    def _lasting_sentences(self, texts: Sequence[str]) -> dict[str, Float[Tensor, " C"]]:
        """Return the unit vector of each text, the same to the last bit whatever the other texts are.

        The last bits of a product depend on the shape of its batch. Which texts are still missing depends on the steps
        since the start or the last resume, so each text is encoded in a batch whose shape depends on its own length
        alone.
        """
        ids = tokenize(texts, self.context_length)
        lengths = ids.argmax(dim=1) + 1
        buckets = (-(-lengths // LENGTH_STEP) * LENGTH_STEP).clamp(max=self.context_length)
        found: dict[str, Tensor] = {}
        for length in buckets.unique().tolist():
            mine = (buckets == length).nonzero()[:, 0]
            fitting = F.pad(ids[mine], (0, max(length - ids.shape[1], 0)))[:, :length]
            for rows, batch in zip(mine.split(BATCH), fitting.split(BATCH), strict=True):
                filled = torch.cat((batch, batch[:1].expand(BATCH - len(batch), -1)))
                vectors = _unit(self.encode(filled).sentence)
                found |= {texts[row]: vector for row, vector in zip(rows.tolist(), vectors, strict=False)}
        return found

    def _unit_sentences(self, texts: Sequence[str]) -> Float[Tensor, "T C"]:
        return _unit(self(texts).sentence)


def _unit(vectors: Float[Tensor, "T C"]) -> Float[Tensor, "T C"]:
    return vectors / (vectors.norm(dim=-1, keepdim=True) + 1e-7)


def _bare(name: str) -> str:
    for suffix in NAME_SUFFIXES:
        name = name.replace(suffix, "")
    return name
