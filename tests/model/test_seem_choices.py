"""What a decode costs, and which queries it chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from seemkit.errors import InputError
from seemkit.model.outputs import Draws
from seemkit.prompts.values import Point, Text
from tests.networks import TINY, VOCABULARY, build, decode, every_layer, picture

STAR, RING = [Point(20.5, 10.5), Point(60.5, 30.5, positive=False)], [Point(70.5, 50.5), Point(12.5, 44.5)]
PHRASE = [Text("the red star")]


# only what is asked for


@pytest.fixture
def lengths(network, monkeypatch) -> list[tuple[int, int]]:
    """How many tokens looked at the image and took part in each layer of each decode."""
    found: list[tuple[int, int]] = []
    layer = network.decoder.layers[0]
    look, exchange = layer._cross_attend, layer._self_attend

    def spy_look(tokens: Tensor, *rest: Tensor) -> Tensor:
        found.append((tokens.shape[1], 0))
        return look(tokens, *rest)

    def spy_exchange(tokens: Tensor, *rest: Tensor) -> Tensor:
        found[-1] = (found[-1][0], tokens.shape[1])
        return exchange(tokens, *rest)

    monkeypatch.setattr(layer, "_cross_attend", spy_look)
    monkeypatch.setattr(layer, "_self_attend", spy_exchange)
    return found


def test_asking_for_less_computes_less(network, context, lengths):
    decode(network, context, [Point(20, 10)])
    decode(network, context, [Point(20, 10)], previous=torch.zeros(1, 1, 16, 24))
    decode(network, context, [Point(20, 10)], [Point(30, 30), Point(50, 50)])
    decode(network, context, [Text("star")])
    decode(network, context, objects=True)
    decode(network, context, [Point(20, 10)], [Text("star")], objects=True, previous=torch.zeros(1, 1, 16, 24))
    queries, copies, memory, words = 10, 3, 8, 3
    assert lengths == [
        (copies, copies + 1),
        (copies + memory, copies + memory + 1),
        (2 * copies, 2 * copies + 3),
        (queries, queries + words),
        (queries, queries),
        (2 * queries + copies + memory, 2 * queries + copies + memory + words + 1),
    ]


def test_a_round_reads_no_pixels_and_no_words(network, context, monkeypatch):
    def never(*_: object) -> None:
        raise AssertionError("not asked for")

    for part in (network.backbone, network.pixel_decoder, network.language):
        monkeypatch.setattr(part, "forward", never)
    decode(network, context, STAR, objects=True)
    for layer in network.decoder.layers:
        monkeypatch.setattr(layer.cross_attention, "project", never)
    decode(network, context, RING)


def test_texts_of_a_batch_are_encoded_in_one_call(network, monkeypatch):
    calls: list[list[str]] = []
    forward = network.language.forward
    monkeypatch.setattr(network.language, "forward", lambda texts: calls.append(list(texts)) or forward(texts))
    with torch.no_grad():
        pair = network.encode_image([picture(64, 64), picture(64, 64, seed=1)])
        network.decode(pair, [[[Text("star")], [Text("ring")]], [[Text("sky")]]])
    assert calls == [["star", "ring", "sky"]]


@pytest.mark.parametrize("prompts", [None, [[]], [[[], []]]])
def test_nothing_to_decode(network, context, prompts):
    with pytest.raises(InputError, match="nothing to decode"):
        network.decode(context, prompts)


# choices


def test_choose_visual_among_the_own_queries(network, context):
    objects = [
        STAR,
        RING,
        [Point(44.5, 5.5)],
        [Point(5.5, 55.5), Point(80.5, 20.5)],
        [Point(1.5, 1.5)],
        [Point(75, 55)],
    ]
    objects += [[Point(50.5 + 6 * x, 20.5)] for x in range(4)]  # neighbors, who could take each other's queries
    decoded = decode(network, context, *objects)
    masks = decoded.layers[-1]["visual_query"].masks[0]
    pooled, copies = decoded.prompts["visual_prompt"].pooled[0], network.queries.copies
    answer = network.select(decoded)
    chosen = answer.choice
    assert chosen.shape == (1, len(objects))
    best_of_all = []
    for index in range(len(objects)):
        scores = [float(masks[q] @ pooled[index]) for q in range(len(masks))]
        own = range(copies * index, copies * (index + 1))
        assert int(chosen[0, index]) == max(own, key=scores.__getitem__)
        best_of_all.append(max(range(len(masks)), key=scores.__getitem__))
    assert best_of_all != chosen[0].tolist()  # or the restriction was not put to the test
    torch.testing.assert_close(answer.masks()[0], decoded.masks("visual_query")[0, chosen[0]], atol=1e-5, rtol=0)


def test_choose_text_by_cosine(network, context):
    phrases = ["the red star", "a blue ring", "sky"]
    decoded = decode(network, context, *[[Text(p)] for p in phrases])
    classes = decoded.layers[-1]["text_query"].classes[0]
    with torch.no_grad():
        sentences = network.language(phrases).sentence
    likeness = torch.nn.functional.cosine_similarity(sentences[:, None], classes[None], dim=2)
    assert network.select(decoded).choice[0].tolist() == likeness.argmax(dim=1).tolist()


def test_class_logits_are_scaled_cosines(network, context):
    decoded = decode(network, context, objects=True)
    with torch.no_grad():
        classes = network.embed_vocabulary(VOCABULARY)
        found = network.class_logits(decoded.layers[-1]["object_query"], classes)[0]
    assert found.shape == (10, 4)
    queries = decoded.layers[-1]["object_query"].classes[0]
    expected = torch.nn.functional.cosine_similarity(queries[:, None], classes[None], dim=2)
    torch.testing.assert_close(found, network.language.scale.detach() * expected, atol=1e-4, rtol=0)
    with torch.no_grad():
        wanted = network.language.embed_classes(VOCABULARY.names, TINY.templates)
    torch.testing.assert_close(classes, wanted)


def test_draws_of_the_reference_can_be_given(network, context):
    drawn = torch.tensor([4, 4, 7, 0, 9, 2])
    decoded = decode(network, context, STAR, RING, draws=Draws(queries=drawn))
    with torch.no_grad():
        wanted = network.decoder.heads.masks(network.queries.value.weight[drawn][None])
        if network.click_field is not None:
            wanted = wanted + network.click_field(decoded.prompts["visual_prompt"].regions)
    torch.testing.assert_close(decoded.layers[0]["visual_query"].masks, wanted, atol=1e-4, rtol=0)
    previous = torch.randn(1, 2, 16, 24, generator=torch.Generator().manual_seed(0))
    dealt = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]] * 4)
    even = decode(network, context, STAR, RING, previous=previous)
    given = decode(network, context, STAR, RING, previous=previous, draws=Draws(memory=dealt))
    assert every_layer(even, given, "visual_query")
    dealt = torch.tensor([[0, 0, 0, 0, 0, 0, 0, 1]] * 4)
    other = decode(network, context, STAR, RING, previous=previous, draws=Draws(memory=dealt))
    assert not every_layer(even, other, "visual_query")


def test_v0_copies_all_queries():
    network = build(replace(TINY, visual_queries=0))
    with torch.no_grad():
        context = network.encode_image([picture(60, 90)])
        decoded = network.decode(context, [[STAR, RING]], objects=True, every_layer=True)
    assert decoded.layers[-1]["visual_query"].masks.shape[1] == 20
    first = decoded.layers[0]
    objects = first["object_query"].classes
    torch.testing.assert_close(first["visual_query"].classes, torch.cat([objects, objects], dim=1), atol=1e-5, rtol=0)
    assert int(network.select(decoded).choice[0, 1]) >= 10


def test_a_click_acts_where_it_is_made():
    """With the click field alone, before anything is learned."""
    network = build(replace(TINY, click_field=64))
    with torch.no_grad():
        for parameter in network.decoder.heads.mask_embedding.parameters():
            parameter.zero_()
        for name in ("positive", "negative"):
            getattr(network.click_field, name).zero_()
        context = network.encode_image([picture(64, 96)])
        masks = network.decode(context, [[[Point(20, 12), Point(70, 44, positive=False)]]]).masks("visual_query")[0]
    for mask in masks:
        top, bottom = divmod(int(mask.argmax()), 24), divmod(int(mask.argmin()), 24)
        assert abs(top[0] - 12 / 4) <= 2
        assert abs(top[1] - 20 / 4) <= 2
        assert abs(bottom[0] - 44 / 4) <= 2
        assert abs(bottom[1] - 70 / 4) <= 2
