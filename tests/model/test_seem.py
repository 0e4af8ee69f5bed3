"""The two doors of the network: who influences whom, batches, sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit.errors import InputError
from seemkit.nn.heads import Embeddings
from seemkit.nn.pixels import PIXEL_MEAN
from seemkit.postprocess.resize import restore
from seemkit.prompts.values import Point, Text
from seemkit.types import Size
from tests.networks import TINY, build, decode, every_layer, picture, same

STAR, RING = [Point(20.5, 10.5), Point(60.5, 30.5, positive=False)], [Point(70.5, 50.5), Point(12.5, 44.5)]
PHRASE = [Text("the red star")]


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
            alone, beside = network.select(single), network.select(both)
            chosen = alone.owners[0] >= 0
            assert beside.owners[index, : len(chosen)].tolist() == alone.owners[0].tolist()
            torch.testing.assert_close(beside.masks()[index, : len(chosen)], alone.masks()[0], atol=1e-4, rtol=1e-4)


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
    network = build(replace(TINY, embed_dim=64))
    with torch.no_grad():
        context = network.encode_image([picture(32, 32)])
        masks = network.decode(context, [[[Point(31.5, 0.5)]]], objects=True).masks("object_query")
    assert masks.shape == (1, 10, 8, 8)
    assert bool(masks.isfinite().all())


def test_padding_is_the_mean_color(network):
    image = picture(60, 90).float()
    filled = torch.tensor(PIXEL_MEAN)[:, None, None].expand(3, 64, 96).clone()
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
