from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip import SimpleTokenizer

from seemkit.nn.tokenizer import END, START, VOCABULARY_SIZE, tokenize

CLIP = SimpleTokenizer()


def assert_like_clip(texts: list[str], length: int = 77) -> None:
    wanted = CLIP(texts, context_length=length)
    used = int(wanted.argmax(dim=1).max()) + 1  # behind the first end token of all nobody reads
    found = tokenize(texts, length)
    assert torch.equal(found[:, :used], wanted[:, :used])
    assert not wanted[:, found.shape[1] :].any()


@pytest.mark.parametrize(
    "text",
    [
        "A Star", "the small blue ring left of the very large yellow triangle", "", "   ", "don't we'll I'VE o'clock",
        "42 isn't 4 2", "naïve café, 日本語の犬 \U0001f415\u200d\U0001f9ba", "tench\ttinca &amp;amp; &lt;b&gt;",
        "sch\u00c3\u00b6n", "\u017f's", "a<start_of_text>b <END_OF_TEXT> c", "</w> w</w>", "\x00\x07 bell",
        "supercalifragilisticexpialidocious " * 30, "e\u0301\u00a0\u3000ﬁ ﷺ", "!!!???...---", "ÿ ¡ \u00ad",
    ],
)  # fmt: skip
def test_ids_are_those_of_clip(text: str) -> None:
    assert_like_clip([text])


@settings(deadline=None, max_examples=500)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=3), st.integers(2, 80))
def test_ids_of_any_text_are_those_of_clip(texts: list[str], length: int) -> None:
    assert_like_clip(texts, length)


def test_the_vocabulary_is_clip_s() -> None:
    assert CLIP.vocab_size == VOCABULARY_SIZE
    assert (CLIP.sot_token_id, CLIP.eot_token_id) == (START, END)
    words = [word.removesuffix("</w>") for word in CLIP.encoder if word.endswith("</w>") and word[:-4].isalpha()]
    assert len(words) > 20_000
    for start in range(0, len(words), 5000):
        assert_like_clip([" ".join(words[start : start + 5000])], 20_000)


def test_no_texts() -> None:
    assert tokenize([], 77).shape == (0, 1)


def test_the_vocabulary_is_found_without_its_package() -> None:
    code = (
        "import sys\nfrom seemkit.nn.tokenizer import tokenize\n"
        "tokenize(['a'], 9)\nassert 'open_clip' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
