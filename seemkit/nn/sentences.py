"""Unit vectors of many sentences, and of class names, each the mean over sentences such as "a photo of a {}.".

Attention in the text tower is causal, so what a sentence starts with does not depend on what follows. The keys and
values of a start are computed once, and each sentence costs only its other tokens. Sentences are read in batches of
`rows`, all of one length, because the last bits of a product depend on the shape of its batch: with the same `rows`, a
vector is the same to the last bit whatever other sentences are read with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seemkit.nn.attention import KeysValues
from seemkit.nn.tokenizer import END, token_ids
from seemkit.ops.transfer import send

if TYPE_CHECKING:
    from seemkit.nn.language import LanguageTower

NAMES = 128
"""Number of names that are read together; the vectors of their sentences are in memory at the same time."""
FEW, ROWS, MANY_ROWS = 8, 16, 64
"""Number of sentences in a batch with fewer than `FEW` names, and with more. The last batch of each length is filled
up, which for few names would cost more than it saves.
"""


def name_vectors(
    tower: LanguageTower, names: Sequence[str], templates: Sequence[str], starts: Starts | None = None
) -> Float[Tensor, "K C"]:
    """Return the unit vector of each class name: the normalized mean of its sentences' unit vectors.

    Args:
        tower: the text tower.
        names: K class names, at least one.
        templates: sentences in which ``{}`` stands for the name.
        starts: what the same tower has read of the templates; None reads them.
    """
    starts = starts or read_templates(tower, templates)
    rows = ROWS if len(names) < FEW else MANY_ROWS
    found = []
    for first in range(0, len(names), NAMES):
        block = names[first : first + NAMES]
        texts = [template.format(name) for name in block for template in templates]
        vectors = sentence_vectors(tower, texts, starts, list(range(len(templates))) * len(block), rows)
        found.append(vectors.unflatten(0, (len(block), -1)).mean(dim=1))
    means = torch.cat(found)
    return means / means.norm(dim=1, keepdim=True)


class Starts(NamedTuple):
    """What the tower has read of T starts of sentences; the last one is the start token alone.

    Attributes:
        ids: token ids of each start, on the host.
        layers: keys and values in each block, [T, heads, P, C / heads]; P is the length of the longest start.
        valid: [T, P], False after the end of a start.
    """

    ids: list[list[int]]
    layers: list[KeysValues]
    valid: Bool[Tensor, "T P"]


def read_templates(tower: LanguageTower, templates: Sequence[str]) -> Starts:
    """Return the keys and values of what stands before the name in each template."""
    return read_starts(tower, [template.split("{}")[0] for template in templates])


def read_starts(tower: LanguageTower, starts: Sequence[str] = ()) -> Starts:
    """Return the keys and values of starts of sentences, for `sentence_vectors`."""
    ids = [token_ids(start, tower.context_length)[:-1] for start in (*starts, "")]
    padded = pad_sequence([torch.tensor(row) for row in ids], batch_first=True)
    positions = torch.arange(padded.shape[1])
    _, layers = tower.transformer.read(tower.embed(padded, positions))
    valid = positions < torch.tensor([len(row) for row in ids])[:, None]
    return Starts(ids, layers, send(valid, tower.projection.device))


def sentence_vectors(
    tower: LanguageTower,
    texts: Sequence[str],
    starts: Starts,
    start_of: Sequence[int] | None = None,
    rows: int = ROWS,
) -> Float[Tensor, "N C"]:
    """Return the unit vector of each text.

    Args:
        tower: the text tower.
        texts: N texts, at least one.
        starts: starts that the same tower has read.
        start_of: index of each text's start; None for the start token alone.
        rows: number of sentences in a batch.
    """
    vectors: dict[int, Tensor] = {}
    for batch in _batches(_sentences(tower, texts, starts, start_of), rows):
        vectors |= zip([sentence.text for sentence in batch], _read(tower, batch, starts), strict=True)
    return torch.stack([vectors[text] for text in range(len(texts))])


class _Sentence(NamedTuple):
    """A text by its index, the index of its start, the position of the first token after the start, and the ids."""

    text: int
    start: int
    first: int
    ids: list[int]


def _sentences(
    tower: LanguageTower, texts: Sequence[str], starts: Starts, start_of: Sequence[int] | None
) -> Iterator[_Sentence]:
    alone = len(starts.ids) - 1
    for text, words in enumerate(texts):
        ids = token_ids(words, tower.context_length)
        ids = ids[: ids.index(END) + 1]  # a text can spell out the end token
        start = alone if start_of is None else start_of[text]
        known = starts.ids[start]
        if ids[: len(known)] != known or len(ids) == len(known):  # the name runs into the word before it
            start, known = alone, starts.ids[alone]
        yield _Sentence(text, start, len(known), ids[len(known) :])


def _batches(sentences: Iterable[_Sentence], rows: int) -> Iterator[list[_Sentence]]:
    """Yield batches of sentences with equally many tokens after their starts; the last sentence fills up a batch."""
    by_length: dict[int, list[_Sentence]] = defaultdict(list)
    for sentence in sentences:
        by_length[len(sentence.ids)].append(sentence)
    for same in by_length.values():
        for first in range(0, len(same), rows):
            batch = same[first : first + rows]
            yield batch + batch[-1:] * (rows - len(batch))


def _read(tower: LanguageTower, batch: Sequence[_Sentence], starts: Starts) -> Float[Tensor, "N C"]:
    """Return the unit vectors of a batch."""
    ids = torch.tensor([one.ids for one in batch])
    positions = torch.tensor([one.first for one in batch])[:, None] + torch.arange(ids.shape[1])
    start = send(torch.tensor([one.start for one in batch]), tower.projection.device)
    before = [KeysValues(keys[start], values[start]) for keys, values in starts.layers]
    hidden, _ = tower.transformer.read(tower.embed(ids, positions), before, starts.valid[start])
    return unit(tower.project(hidden[:, -1]))


def unit(vectors: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
    """Return the vectors at unit length, as the reference computes it."""
    return vectors / (vectors.norm(dim=-1, keepdim=True) + 1e-7)
