from __future__ import annotations

import pytest
import torch

from seemkit.errors import InputError
from seemkit.prompts.encoder import PromptContext
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Text
from seemkit.types import Size


@pytest.fixture
def encoder():
    return installed()["text"].encoder(32)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text_is_an_error(encoder, text):
    with pytest.raises(InputError, match="text prompt is empty"):
        encoder.parse(text)
    with pytest.raises(InputError, match="text prompt is empty"):
        encoder.check(Text(text), Size(32, 32))


def test_a_text_stays_as_it_is(encoder):
    assert encoder.parse("the red star, left") == Text("the red star, left")


def test_tokens_are_those_of_the_text_without_padding(encoder, network, context):
    texts = [Text("star"), Text("the small ring left of the star")]
    with torch.no_grad():
        short, long = encoder.encode(texts, [0, 0], PromptContext(context, network.language, network.sampler))
        alone = network.language(["star"])
    assert (len(short.values[0]), len(long.values[0])) == (3, 9)  # start, words, end
    torch.testing.assert_close(short.values[0], alone.tokens[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(short.pooled, alone.sentence[0], atol=1e-5, rtol=0)


def test_a_mask_does_not_say_what_it_is_called(encoder):
    assert encoder.simulate(torch.ones(40, 40, dtype=torch.bool), torch.Generator()) == []
