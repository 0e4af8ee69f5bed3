from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from seemkit.errors import InputError
from seemkit.inference.resize import restore
from seemkit.network import Decoded, Draws
from seemkit.nn.heads import Embeddings
from seemkit.prompts.values import Point, Text
from seemkit.types import Size
from tests.networks import TINY, VOCABULARY, build, picture

STAR, RING = [Point(20.5, 10.5), Point(60.5, 30.5, positive=False)], [Point(70.5, 50.5), Point(12.5, 44.5)]
PHRASE = [Text("the red star")]


@torch.no_grad()
def decode(network, context, *objects, **options) -> Decoded:
    return network.decode(context, [objects] * len(context) if objects else None, **options)


def same(first: Embeddings, second: Embeddings, atol: float = 1e-5) -> bool:
    return all(torch.allclose(a, b, atol=atol, rtol=1e-4) for a, b in zip(first, second, strict=True))


def every_layer(first: Decoded, second: Decoded, group: str) -> bool:
    return all(same(a[group], b[group]) for a, b in zip(first.layers, second.layers, strict=True))


# who is influenced by what


def test_object_queries_do_not_notice_prompts(network, context):
    alone = decode(network, context, objects=True)
    prompted = decode(network, context, STAR, RING, PHRASE, objects=True)
    remembering = decode(network, context, STAR, objects=True, previous=torch.randn(1, 1, 16, 24))
    assert every_layer(alone, prompted, "object_query")
    assert every_layer(alone, remembering, "object_query")


def test_a_text_changes_the_text_queries_only(network, context):
    before = decode(network, context, STAR, PHRASE, objects=True)
    after = decode(network, context, STAR, [Text("a blue ring")], objects=True)
    assert every_layer(before, after, "object_query")
    assert every_layer(before, after, "visual_query")
    assert not same(before.layers[-1]["text_query"], after.layers[-1]["text_query"], atol=1e-2)


def test_clicks_do_not_change_the_text_queries(network, context):
    before, after = decode(network, context, PHRASE), decode(network, context, PHRASE, STAR, RING)
    assert every_layer(before, after, "text_query")


def test_clicks_of_one_object_do_not_change_another(network, context):
    copies = network.queries.copies
    both = decode(network, context, STAR, RING)
    other = decode(network, context, STAR, [Point(33.5, 33.5)])
    alone = decode(network, context, STAR)
    for layer, (a, b, c) in enumerate(zip(both.layers, other.layers, alone.layers, strict=True)):
        first, second, third = (Embeddings(*(e[:, :copies] for e in x["visual_query"])) for x in (a, b, c))
        assert same(first, second), layer
        assert same(first, third), layer
    ring, moved = (x.layers[-1]["visual_query"].masks[:, copies:] for x in (both, other))
    assert (ring - moved).abs().max() > 0.05


def test_every_click_counts(network, context):
    once = decode(network, context, STAR[:1])
    for second in (Point(70.5, 50.5), Point(70.5, 50.5, positive=False)):
        twice = decode(network, context, [STAR[0], second])
        assert not same(once.layers[-1]["visual_query"], twice.layers[-1]["visual_query"], atol=1e-2)
    positive, negative = (decode(network, context, [STAR[0], Point(70, 50, positive=p)]) for p in (True, False))
    assert not same(positive.layers[-1]["visual_query"], negative.layers[-1]["visual_query"], atol=1e-2)


def test_memory_changes_the_visual_queries_of_its_object(network, context):
    copies = network.queries.copies
    previous = torch.randn(1, 2, 16, 24, generator=torch.Generator().manual_seed(0))
    other = previous.clone()
    other[:, 1] = -other[:, 1]
    without, first, second = (
        decode(network, context, STAR, RING, previous=p).layers[-1]["visual_query"].masks
        for p in (None, previous, other)
    )
    assert (without - first).abs().max() > 0.01
    assert (first - second)[:, :copies].abs().max() < 1e-5
    assert (first - second)[:, copies:].abs().max() > 0.01


def test_a_group_alone_is_what_it_is_in_company(network, context):
    joint = decode(network, context, STAR, PHRASE, objects=True)
    alone = {
        "object_query": decode(network, context, objects=True),
        "visual_query": decode(network, context, STAR),
        "text_query": decode(network, context, PHRASE),
    }
    for group, single in alone.items():
        assert set(single.layers[-1]) == {group}
        assert every_layer(single, joint, group)


def test_the_same_click_gives_the_same_answer(network, context):
    torch.manual_seed(1)
    first = decode(network, context, STAR, PHRASE)
    torch.manual_seed(2)
    second = decode(network, network.encode_image([picture(60, 90)]), STAR, PHRASE)
    for group in ("visual_query", "text_query"):
        assert torch.equal(first.masks(group), second.masks(group))


# batches


def test_two_images_are_two_batches_of_one_if_padded_alike(network):
    images = [picture(60, 90), picture(64, 70, seed=1)]  # both are padded to 64 x 96
    objects = [[STAR, PHRASE], [[Point(8.5, 9.5)], [Point(40.5, 30.5), Point(3.5, 60.5)], [Text("the ring")]]]
    generator = torch.Generator().manual_seed(0)
    previous = [torch.randn(1, count, 16, 24, generator=generator) for count in (1, 2)]
    padded = torch.cat([torch.nn.functional.pad(previous[0], (0, 0, 0, 0, 0, 1)), previous[1]])
    with torch.no_grad():
        both = network.decode(network.encode_image(images), objects, objects=True, previous=padded)
        for index, image in enumerate(images):
            one = network.encode_image([image])
            assert one.padded == both.context.padded
            single = network.decode(one, objects[index : index + 1], objects=True, previous=previous[index])
            for group in ("object_query", "text_query", "visual_query"):
                count = single.layers[-1][group].masks.shape[1]
                torch.testing.assert_close(
                    both.masks(group)[index, :count], single.masks(group)[0], atol=1e-3, rtol=1e-4
                )
            chosen = network.choose_visual(single)[0]
            assert network.choose_visual(both)[index, : len(chosen)].tolist() == chosen.tolist()
            assert network.choose_text(both)[index, :1].tolist() == network.choose_text(single)[0].tolist()


def test_repeat_is_a_batch_of_the_same_image(network):
    with torch.no_grad():
        pair = network.encode_image([picture(60, 90), picture(64, 96, seed=1)], [Size(30, 45), Size(64, 96)])
        prompts = [[[Point(8.5, 9.5)]], [[Point(20.5, 19.5)]], [[Point(3.5, 4.5), Point(30.5, 20.5)]]]
        found = network.decode(pair.repeat(0, 3), prompts)
        for index, wanted in enumerate(prompts):
            one = network.decode(pair.repeat(0, 1), [wanted])
            torch.testing.assert_close(
                found.masks("visual_query")[index], one.masks("visual_query")[0], atol=1e-3, rtol=1e-4
            )
    assert pair.repeat(0, 3).frames == [Size(30, 45)] * 3
    assert pair.repeat(1, 2).sizes == [Size(64, 96)] * 2


def test_decoding_leaves_the_image_as_it_was(network, context):
    tensors = [context.mask_features, *context.levels, *context.level_mask_features]
    tensors += [part for read in context.keys_values for part in read]
    copies = [tensor.clone() for tensor in tensors]
    decode(network, context, STAR, PHRASE, objects=True, previous=torch.randn(1, 1, 16, 24))
    assert all(torch.equal(a, b) for a, b in zip(tensors, copies, strict=True))


# sizes


@pytest.mark.parametrize(("height", "width"), [(32, 64), (33, 64), (100, 47), (64, 161)])
def test_any_size(network, height, width):
    with torch.no_grad():
        context = network.encode_image([picture(height, width)])
        padded = Size(-(-height // 32) * 32, -(-width // 32) * 32)
        assert context.padded == padded
        assert context.sizes == context.frames == [Size(height, width)]
        assert context.mask_features.shape[-2:] == (padded.height // 4, padded.width // 4)
        assert context.shapes == [Size(padded.height // s, padded.width // s) for s in (32, 16, 8)]
        decoded = network.decode(context, [[[Point(width - 0.5, height - 0.5)]]], objects=True)
    masks = decoded.masks("object_query")
    assert masks.shape == (1, 10, padded.height // 4, padded.width // 4)
    assert bool(masks.isfinite().all())
    assert restore(masks[0], context.padded, context.sizes[0], context.frames[0]).shape == (10, height, width)


def test_the_smallest_image():
    network = build(replace(TINY, width=64))
    with torch.no_grad():
        context = network.encode_image([picture(32, 32)])
        masks = network.decode(context, [[[Point(31.5, 0.5)]]], objects=True).masks("object_query")
    assert masks.shape == (1, 10, 8, 8)
    assert bool(masks.isfinite().all())


def test_padding_is_the_mean_colour(network):
    image = picture(60, 90).float()
    filled = network.pixel_mean.expand(3, 64, 96).clone()
    filled[:, :60, :90] = image
    with torch.no_grad():
        padded, whole = network.encode_image([image]), network.encode_image([filled])
    torch.testing.assert_close(padded.mask_features, whole.mask_features, atol=1e-4, rtol=1e-4)


def test_prompts_are_in_the_pixels_of_the_frame(network):
    image = picture(60, 90)
    with torch.no_grad():
        small, full = network.encode_image([image], [Size(20, 45)]), network.encode_image([image])
    found = decode(network, small, [Point(10.5, 7.5), Point(44.5, 0.5, positive=False)])  # pixels of 3 rows x 2 columns
    expected = decode(network, full, [Point(20.5, 21.5), Point(88.5, 0.5, positive=False)])
    assert every_layer(found, expected, "visual_query")
    with pytest.raises(InputError, match="outside the image of 45 x 20 pixels"):
        decode(network, small, [Point(46, 1)])


def test_bytes_and_floats_are_the_same_image(network):
    image = picture(64, 64)
    with torch.no_grad():
        found = [network.encode_image([i]).mask_features for i in (image, image.float())]
    assert torch.equal(*found)


# only what is asked for


@pytest.fixture
def lengths(network, monkeypatch) -> list[tuple[int, int]]:
    """How many tokens looked at the image and took part in each layer of each decode."""
    found: list[tuple[int, int]] = []
    layer = network.decoder.layers[0]
    look, exchange = layer.look, layer.exchange

    def spy_look(tokens: Tensor, *rest: Tensor) -> Tensor:
        found.append((tokens.shape[1], 0))
        return look(tokens, *rest)

    def spy_exchange(tokens: Tensor, *rest: Tensor) -> Tensor:
        found[-1] = (found[-1][0], tokens.shape[1])
        return exchange(tokens, *rest)

    monkeypatch.setattr(layer, "look", spy_look)
    monkeypatch.setattr(layer, "exchange", spy_exchange)
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
    objects += [[Point(50.5 + 6 * x, 20.5)] for x in range(4)]  # neighbours, who could take each other's queries
    decoded = decode(network, context, *objects)
    masks = decoded.layers[-1]["visual_query"].masks[0]
    pooled, copies = decoded.prompts["visual_prompt"].pooled[0], network.queries.copies
    chosen = network.choose_visual(decoded)
    assert chosen.shape == (1, len(objects))
    best_of_all = []
    for index in range(len(objects)):
        scores = [float(masks[q] @ pooled[index]) for q in range(len(masks))]
        own = range(copies * index, copies * (index + 1))
        assert int(chosen[0, index]) == max(own, key=scores.__getitem__)
        best_of_all.append(max(range(len(masks)), key=scores.__getitem__))
    assert best_of_all != chosen[0].tolist()  # or the restriction was not put to the test
    found = decoded.chosen_masks("visual_query", chosen)[0]
    torch.testing.assert_close(found, decoded.masks("visual_query")[0, chosen[0]], atol=1e-5, rtol=0)


def test_choose_text_by_cosine(network, context):
    phrases = ["the red star", "a blue ring", "sky"]
    decoded = decode(network, context, *[[Text(p)] for p in phrases])
    classes = decoded.layers[-1]["text_query"].classes[0]
    with torch.no_grad():
        sentences = network.language(phrases).sentence
    likeness = torch.nn.functional.cosine_similarity(sentences[:, None], classes[None], dim=2)
    assert network.choose_text(decoded)[0].tolist() == likeness.argmax(dim=1).tolist()


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
    first = network.decoder.heads(network.queries.value.weight[drawn][None])
    torch.testing.assert_close(decoded.layers[0]["visual_query"].classes, first.classes, atol=1e-5, rtol=0)
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
        decoded = network.decode(context, [[STAR, RING]], objects=True)
    assert decoded.layers[-1]["visual_query"].masks.shape[1] == 20
    first = decoded.layers[0]
    objects = first["object_query"].classes
    torch.testing.assert_close(first["visual_query"].classes, torch.cat([objects, objects], dim=1), atol=1e-5, rtol=0)
    assert int(network.choose_visual(decoded)[0, 1]) >= 10


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
