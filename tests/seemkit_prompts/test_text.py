from __future__ import annotations

import pytest
import torch

from seemkit.errors import InputError
from seemkit.plugin import Subject
from seemkit.prompts.encoder import PromptContext
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Text


@pytest.fixture
def encoder():
    return installed()["text"].encoder(32)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text_is_an_error(encoder, text):
    with pytest.raises(InputError, match="text prompt is empty"):
        encoder.parse(text)
    with pytest.raises(InputError, match="text prompt is empty"):
        Text(text)


def test_a_text_stays_as_it_is(encoder):
    assert encoder.parse("the red star, left") == Text("the red star, left")


def test_tokens_are_those_of_the_text_without_padding(encoder, network, context):
    texts = [Text("star"), Text("the small ring left of the star")]
    with torch.no_grad():
        short, long = encoder.encode(texts, [0, 0], PromptContext(context, network.language, network.other_images))
        alone = network.language(["star"])
    assert (len(short.values[0]), len(long.values[0])) == (3, 9)  # start, words, end
    torch.testing.assert_close(short.values[0], alone.tokens[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(short.pooled, alone.sentence[0], atol=1e-5, rtol=0)


def test_simulated_texts_are_the_object_s_phrases_and_name(encoder):
    mask = torch.ones(40, 40, dtype=torch.bool)
    subject = Subject(mask, "star", ("the red star", "the left star"))
    generator = torch.Generator().manual_seed(0)
    said = [encoder.simulate(subject, generator)[0].text for _ in range(60)]
    assert set(said) == {"star", "the red star", "the left star"}
    assert encoder.simulate(Subject(mask), generator) == []


def test_of_a_long_text_the_beginning_counts(encoder, network, context):
    texts = [Text("star " * 75), Text("star " * 500), Text("star " * 74)]
    with torch.no_grad():
        first, second, shorter = encoder.encode(
            texts, [0, 0, 0], PromptContext(context, network.language, network.other_images)
        )
    assert len(second.values[0]) == 77
    assert torch.equal(first.pooled, second.pooled)
    assert not torch.allclose(first.pooled, shorter.pooled)
