from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit.errors import InputError
from seemkit.interactive.user import MIN_AREA, SimulatedUser
from seemkit.prompts.values import Point, Text
from seemkit.training.config import Sampling
from seemkit.training.step_prompts import SampledPrompts, choose_targets, pad_targets, sample_prompts
from seemkit.types import Phrase, Size, Target
from tests.networks import VOCABULARY, picture

SKY, GRASS, STAR = range(3)


def target(*segments: tuple[int, tuple[slice, slice], bool], phrases: tuple[Phrase, ...] = (), size=(40, 48)) -> Target:
    masks = torch.zeros(len(segments), *size, dtype=torch.bool)
    for row, (_, box, _) in enumerate(segments):
        masks[row][box] = True
    labels = torch.tensor([label for label, _, _ in segments], dtype=torch.int64)
    return Target(masks, labels, torch.tensor([crowd for _, _, crowd in segments], dtype=torch.bool), phrases)


def box(top: int, left: int, height: int = 6, width: int = 6) -> tuple[slice, slice]:
    return slice(top, top + height), slice(left, left + width)


@pytest.fixture
def first() -> Target:
    """A crowd before everything else, so that rows of the target are not places among those sampled."""
    return target(
        (STAR, box(0, 0, 4, 20), True),
        (SKY, box(0, 20, 20, 20), False),
        (STAR, box(20, 2), False),
        (STAR, box(30, 2, 3, 3), False),  # 9 pixels: too small to be clicked
        (STAR, box(30, 30), False),
        phrases=(Phrase("the left star", 2), Phrase("the crowd", 0), Phrase("the sky", 1), Phrase("the tiny star", 3)),
    )


@pytest.fixture
def second() -> Target:
    return target((GRASS, box(0, 0, 40, 40), False), (STAR, box(10, 10), False))


def draw(targets, network, seed: int = 0, **sampling):
    generators = [torch.Generator().manual_seed(100 * seed + image) for image in range(len(targets))]
    return sample_prompts(targets, VOCABULARY, Sampling(**sampling), network.sampler, generators)


def test_crowds_are_never_asked(first, second, tiny_network):
    for seed in range(20):
        sampled = draw([first, second], tiny_network, seed)
        assert [one.segments for one in sampled] == [[1, 2, 3, 4], [0, 1]]
        assert "the crowd" not in [phrase.text for phrase in sampled[0].phrases]


def test_large_things_are_clicked_and_nothing_else(first, second, tiny_network):
    sampled = draw([first, second], tiny_network)
    assert sorted(sampled[0].objects) == [1, 3]  # rows 2 and 4 of the target
    assert sampled[1].objects == [1]


def test_an_object_of_the_least_area_is_clicked(tiny_network):
    assert MIN_AREA == 10
    enough, small = (target((STAR, box(5, 5, 1, width), False)) for width in (10, 9))
    sampled = draw([enough, small], tiny_network)
    assert [one.objects for one in sampled] == [[0], []]


def test_first_prompts_lie_on_their_objects(first, tiny_network):
    for seed in range(10):
        sampled = draw([first], tiny_network, seed, user=SimulatedUser(center=0.5, kinds={"point": 1}))
        for place, prompts in zip(sampled[0].objects, sampled[0].first_prompts, strict=True):
            mask = first.masks[sampled[0].segments[place]]
            assert prompts
            assert all(isinstance(p, Point) and p.positive and mask[int(p.y), int(p.x)] for p in prompts)


def test_classes_are_prompted_as_often_as_asked(second, tiny_network):
    crowded = replace(second, labels=torch.tensor([SKY, STAR]))
    things = replace(VOCABULARY, things=(True, True, True))
    drawn = []
    for seed in range(300):
        generator = torch.Generator().manual_seed(seed)
        sampling = Sampling(objects=1, frequencies={VOCABULARY.names[SKY]: 3.0})
        [sampled] = sample_prompts([crowded], things, sampling, tiny_network.sampler, [generator])
        drawn += sampled.objects
    assert len(drawn) == 300
    assert 0.65 < drawn.count(0) / 300 < 0.85


def test_a_class_of_frequency_0_is_not_prompted(first, tiny_network):
    for seed in range(10):
        [sampled] = draw([first], tiny_network, seed, frequencies={VOCABULARY.names[STAR]: 0.0})
        assert sampled.objects == []


@pytest.mark.parametrize(("frequencies", "said"), [({"moon": 1.0}, "no class 'moon'"), ({"star": -1.0}, "at least 0")])
def test_wrong_frequencies(frequencies, said):
    with pytest.raises(InputError, match=said):
        Sampling(frequencies=frequencies).check(VOCABULARY)


def test_phrases_mean_places_of_the_sample(first, tiny_network):
    seen, counts = set(), set()
    for seed in range(40):
        sampled = draw([first], tiny_network, seed, phrases=2)
        phrases = sampled[0].phrases
        counts.add(len(phrases))
        for phrase in phrases:
            row = sampled[0].segments[phrase.segment]
            assert (phrase.text, row) in {("the left star", 2), ("the sky", 1), ("the tiny star", 3)}
            seen.add(phrase.text)
    assert len(seen) == 3
    assert counts == {1, 2}


def test_one_phrase_a_segment(tiny_network):
    several = target(
        (STAR, box(0, 0), False),
        (STAR, box(20, 20), False),
        phrases=(Phrase("left", 0), Phrase("red", 0), Phrase("right", 1)),
    )
    chosen = [draw([several], tiny_network, seed)[0].phrases for seed in range(30)]
    assert all(len({phrase.segment for phrase in phrases}) == len(phrases) for phrases in chosen)
    assert {phrase.text for phrases in chosen for phrase in phrases} == {"left", "red", "right"}


def test_images_without_phrases_are_asked_for_their_classes(first, tiny_network):
    silent = replace(first, phrases=())
    seen = set()
    for seed in range(20):
        sampled = draw([silent, first], tiny_network, seed)
        assert [one.named for one in sampled] == [True, False]
        by_name = {}
        for phrase in sampled[0].phrases:
            by_name.setdefault(phrase.text, []).append(sampled[0].segments[phrase.segment])
        assert all(rows == {"star": [2, 3, 4], "sky": [1]}[name] for name, rows in by_name.items())
        assert sampled[0].texts == list(by_name)
        seen |= set(by_name)
    assert seen == {"star", "sky"}
    (nothing,) = draw([silent], tiny_network, name_classes=False)
    assert (nothing.phrases, nothing.named) == ([], False)


def test_what_an_image_is_asked_does_not_depend_on_the_batch(first, second, tiny_network):
    both = draw([first, second], tiny_network, seed=3)
    alone = draw([first], tiny_network, seed=3)
    assert both[:1] == alone


def test_not_more_objects_than_asked_for(tiny_network):
    crowded = target(*((STAR, box(6 * n, 6 * n), False) for n in range(6)))
    chosen = set()
    for seed in range(10):
        objects = draw([crowded], tiny_network, seed, objects=2)[0].objects
        assert len(set(objects)) == 2
        chosen |= set(objects)
    assert chosen == set(range(6))


def test_the_same_generator_draws_the_same_prompts(first, second, tiny_network):
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(draws))  # must not matter
        draws.append(draw([first, second], tiny_network, seed))
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_an_image_of_crowds_only(tiny_network):
    only = target((STAR, box(0, 0, 20, 20), True), phrases=(Phrase("the crowd", 0),))
    (sampled,) = draw([only], tiny_network)
    assert (sampled.segments, sampled.objects, sampled.phrases) == ([], [], [])
    targets = pad_targets([only], [sampled.segments], Size(64, 64), torch.device("cpu"))
    assert targets.masks.shape == (1, 1, 64, 64)
    assert not targets.valid.any()


def test_pad_targets(first, second):
    small = target((STAR, box(1, 1), False), size=(33, 40))
    targets = pad_targets([first, small], [[2, 4], [0]], Size(64, 64), torch.device("cpu"))
    assert targets.masks.shape == (2, 2, 64, 64)
    assert targets.valid.tolist() == [[True, True], [True, False]]
    assert targets.labels.tolist() == [[STAR, STAR], [STAR, 0]]
    assert torch.equal(targets.masks[0, 1, :40, :48].bool(), first.masks[4])
    assert targets.masks[0].sum() == first.masks[[2, 4]].sum()
    assert torch.equal(targets.masks[1, 0, :33, :40].bool(), small.masks[0])
    assert not targets.masks[1, 1].any()


def test_choose_targets(first, second):
    targets = pad_targets([first, second], [[1, 2, 4], [0, 1]], Size(64, 64), torch.device("cpu"))
    chosen = choose_targets(targets, [[2, 0, 2], [1]])
    assert chosen.valid.tolist() == [[True] * 3, [True, False, False]]
    assert torch.equal(chosen.masks[0], targets.masks[0, [2, 0, 2]])
    assert torch.equal(chosen.masks[1, 0], targets.masks[1, 1])
    assert chosen.labels[0].tolist() == [STAR, SKY, STAR]
    assert int(chosen.labels[1, 0]) == STAR
    nobody = choose_targets(targets, [[], []])
    assert nobody.masks.shape[:2] == (2, 1)
    assert not nobody.valid.any()


def test_texts_come_before_clicked_objects_whatever_texts_those_have(tiny_network):
    """So the rows of text scores are the texts of the phrases, in order; see `SampledPrompts.text_places`."""
    phrases = [Phrase("star", 0), Phrase("sky", 1), Phrase("star", 2)]
    sampled = SampledPrompts([0, 1, 2], [0], [[Point(5, 5)]], phrases, named=False)
    clicked = [[Point(5, 5), Text("the left star")]]
    objects = sampled.decoded_objects(clicked)
    assert objects == [[Text("star")], [Text("sky")], *clicked]
    assert sampled.text_places == [0, 1, 0]
    with torch.no_grad():
        context = tiny_network.encode_image([picture(64, 64)])
        owners = tiny_network.encode_prompts(context, [objects])["text_prompt"].owners
    assert owners.tolist() == [[0, 1, 2]]
