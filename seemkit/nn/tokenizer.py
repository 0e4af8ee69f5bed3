"""CLIP's tokenizer: texts to byte-pair ids.

The vocabulary is read from the file that open_clip installs. open_clip's own tokenizer gives the same ids, but it
imports timm and torch's compiler, which takes longer than a whole prediction of a small model.

Sources: Radford et al., Learning Transferable Visual Models From Natural Language Supervision (arXiv 2103.00020),
section 2.4; Sennrich et al., Neural Machine Translation of Rare Words with Subword Units (arXiv 1508.07909).
"""

from __future__ import annotations

import gzip
import html
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import regex
import torch
from jaxtyping import Int
from torch import Tensor

VOCABULARY_SIZE = 49408
START, END = VOCABULARY_SIZE - 2, VOCABULARY_SIZE - 1
SPECIAL = {"<start_of_text>": START, "<end_of_text>": END}
BYTES = 256
WORD_END = "</w>"
"""Marks the last part of a word in the vocabulary file."""

WORD = regex.compile(
    "|".join([*SPECIAL, "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", r"\p{L}+", r"\p{N}", r"[^\s\p{L}\p{N}]+"]),
    regex.IGNORECASE,
)


def tokenize(texts: Sequence[str], length: int) -> Int[Tensor, "T L"]:
    """Return CLIP's token ids of the texts, padded with 0 to the longest text.

    Texts are lower-cased. A text with more than `length` ids keeps its first `length` - 1 ids, before the end.
    """
    rows = [token_ids(text, length) for text in texts]
    ids = torch.zeros(len(rows), max((len(row) for row in rows), default=1), dtype=torch.long)
    for row, found in zip(ids, rows, strict=True):
        row[: len(found)] = torch.tensor(found)
    return ids


def token_ids(text: str, length: int) -> list[int]:
    """Return the ids of one text, from the start to the end token; see `tokenize`."""
    import ftfy  # takes 0.1 s, which only texts need

    clean = html.unescape(html.unescape(ftfy.fix_text(text)))
    words = WORD.findall(" ".join(clean.split()).lower())
    ids = [START, *(number for word in words for number in _word_ids(word))]
    return [*ids[: length - 1], END]


@lru_cache(maxsize=2**16)
def _word_ids(word: str) -> tuple[int, ...]:
    """Return the ids of a word: those of its bytes, merged pair by pair, the pair with the lowest merged id first."""
    if word in SPECIAL:
        return (SPECIAL[word],)
    vocabulary = _vocabulary()
    ids = [vocabulary.bytes[byte] for byte in word.encode()]
    ids[-1] += BYTES  # the last part of a word has a different id than the same part inside a word
    while True:
        merged = min((vocabulary.merges.get(pair, END) for pair in pairwise(ids)), default=END)
        if merged == END:
            return tuple(ids)
        ids = list(_merge(ids, vocabulary, merged))


def _merge(ids: list[int], vocabulary: _Vocabulary, merged: int) -> Iterator[int]:
    """Yield the ids, with each pair that merges into `merged` replaced by it, from left to right."""
    place = 0
    while place < len(ids):
        found = vocabulary.merges.get(tuple(ids[place : place + 2])) == merged
        yield merged if found else ids[place]
        place += 2 if found else 1


class _Vocabulary(NamedTuple):
    """The ids of bytes and of merged pairs.

    Attributes:
        bytes: id of each byte inside a word; at the end of a word it is `BYTES` higher.
        merges: id into which two adjacent ids merge; lower ids merge first.
    """

    bytes: list[int]
    merges: dict[tuple[int, ...], int]


@cache
def _vocabulary() -> _Vocabulary:
    """Return the vocabulary from its file, whose lines are pairs of parts in the order of merging.

    The file writes printable bytes as themselves and other bytes as characters from 256 on. Ids begin with the
    printable bytes.
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = sorted(set(range(BYTES)) - set(seen))
    characters = [*map(chr, seen), *(chr(BYTES + place) for place in range(len(unseen)))]
    parts = {part: place for place, part in enumerate([*characters, *(c + WORD_END for c in characters)])}
    merges: dict[tuple[int, ...], int] = {}
    with gzip.open(_vocabulary_file(), "rt", encoding="utf-8") as file:
        next(file)  # the version
        for line in file:
            if len(parts) == START:
                break
            left, right = line.split()
            merges[parts[left], parts[right]] = parts[left + right] = len(parts)
    order = {byte: place for place, byte in enumerate([*seen, *unseen])}
    return _Vocabulary([order[byte] for byte in range(BYTES)], merges)


def _vocabulary_file() -> Path:
    """Return the path of open_clip's vocabulary file, found without importing open_clip.

    Raises:
        ImportError: open_clip is not installed, or its file is missing.
    """
    package = find_spec("open_clip")
    if package is None or package.origin is None:
        raise ImportError("open_clip: not installed; pip install open-clip-torch")
    file = Path(package.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    if not file.exists():
        raise ImportError(f"{file}: no such file in this version of open-clip-torch; install open-clip-torch 3.x")
    return file
