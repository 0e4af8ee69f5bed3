"""Vectors of names and sentences: equal to reading each sentence alone, whatever is read with it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seemkit.nn import sentences
from seemkit.nn.language import LanguageTower
from seemkit.nn.sentences import name_vectors, read_starts, sentence_vectors

NAMES = ("star", "traffic light", "Café", "a <end_of_text> b", "", "one of the longest names ever given " * 4, "x" * 90)
TEMPLATES = (
    "{}.", "a photo of a {}.", "a photo of many {} in a video game.", "x{}", "the word “{}”", "{}",
    "long start " * 40 + "{}",
)  # fmt: skip
"""Some run into the name, and some are cut off before it."""


@pytest.fixture(scope="module")
def tower() -> LanguageTower:
    torch.manual_seed(0)
    return LanguageTower(32, layers=3, num_heads=4, output_dim=24, context_length=20).eval().requires_grad_(False)


def alone(tower: LanguageTower, text: str) -> Tensor:
    return torch.nn.functional.normalize(tower([text]).sentence[0], dim=0)


def test_a_name_is_the_mean_of_its_sentences_read_alone(tower: LanguageTower) -> None:
    found = name_vectors(tower, NAMES, TEMPLATES)
    for name, vector in zip(NAMES, found, strict=True):
        mean = torch.stack([alone(tower, template.format(name)) for template in TEMPLATES]).mean(dim=0)
        torch.testing.assert_close(vector, torch.nn.functional.normalize(mean, dim=0), atol=2e-6, rtol=0)


def test_sentences_without_common_starts(tower: LanguageTower) -> None:
    found = sentence_vectors(tower, NAMES, read_starts(tower))
    torch.testing.assert_close(found, torch.stack([alone(tower, name) for name in NAMES]), atol=2e-6, rtol=0)


def test_a_vector_does_not_depend_on_the_others(tower: LanguageTower, monkeypatch: pytest.MonkeyPatch) -> None:
    together = name_vectors(tower, NAMES, TEMPLATES)
    monkeypatch.setattr(sentences, "NAMES", 3)
    assert torch.equal(name_vectors(tower, NAMES, TEMPLATES), together)
    for row, name in enumerate(NAMES):
        assert torch.equal(name_vectors(tower, [name], TEMPLATES)[0], together[row])
    many = name_vectors(tower, [*NAMES, *map(str, range(20))], TEMPLATES)
    torch.testing.assert_close(many[: len(NAMES)], together)  # in larger batches


def test_a_start_is_read_once(tower: LanguageTower, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    inner = tower.embed
    monkeypatch.setattr(tower, "embed", lambda ids, positions: (read.append(ids.numel()), inner(ids, positions))[1])
    monkeypatch.setattr(sentences, "ROWS", 1)
    names = ["star", "ring", "tree", "house"]
    name_vectors(tower, names, ["a photo of a large {}"])
    starts, *others = read
    assert starts == 2 * 6  # the start of the template, and the start token alone, padded
    assert others == [2] * len(names)  # the name and the end
