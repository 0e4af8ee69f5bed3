from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from seemkit.losses.group_losses import Targets
from seemkit.losses.matching import match
from seemkit.losses.term import Term
from seemkit.losses.weights import GroupWeights, LossWeights
from seemkit.model.outputs import Decoded
from seemkit.model.seem import SEEM
from seemkit.nn.heads import mask_logits
from seemkit.nn.tokens import ABSENT
from seemkit.prompts.values import Point, Text
from seemkit.training.set_criterion import SetCriterion
from seemkit.training.step_prompts import SampledPrompts
from seemkit.types import Phrase
from tests.networks import TINY, VOCABULARY, build, picture

POINTS = 64
SAMPLED = [
    SampledPrompts(
        segments=[0, 1, 2],
        objects=[2, 0],
        first_prompts=[[Point(60.5, 20.5)], [Point(10.5, 30.5)]],
        phrases=[Phrase("the star", 2)],
        named=False,
    ),
    SampledPrompts(
        segments=[0, 1],
        objects=[1],
        first_prompts=[[Point(40.5, 30.5)]],
        phrases=[Phrase("the grass", 0), Phrase("the red star", 1)],
        named=False,
    ),
]
NAMES = [f"{group}_{kind}" for group in ("object", "phrase", "visual") for kind in ("choice", "bce", "dice")]
REFINED = ["refined_bce", "refined_dice"]


@pytest.fixture(scope="module")
def targets() -> Targets:
    masks = torch.zeros(2, 3, 64, 96, dtype=torch.bool)
    masks[0, 0, :, :30], masks[0, 1, :, 30:50], masks[0, 2, 10:40, 50:80] = 1, 1, 1
    masks[1, 0, :, :30], masks[1, 1, 20:50, 30:70] = 1, 1
    return Targets(masks, torch.tensor([[True] * 3, [True, True, False]]), torch.tensor([[0, 1, 2], [1, 2, 0]]))


def decode(network: SEEM, sampled: Sequence[SampledPrompts] = SAMPLED, objects: bool = True, times: int = 1) -> Decoded:
    context = network.encode_image([picture(64, 96), picture(64, 96, seed=1)] * times)
    prompts = [one.decoded_objects(one.first_prompts) for one in sampled]
    asked = any(any(described) for described in prompts)
    return network.decode(context, prompts if asked else None, objects=objects, every_layer=True)


def objective(network: SEEM, **weights) -> SetCriterion:
    classes = network.embed_vocabulary(VOCABULARY)
    return SetCriterion(network, LossWeights(points=POINTS, **weights), classes, generators(2))


def generators(images: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(image) for image in range(images)]


def means(terms: dict[str, Term]) -> dict[str, torch.Tensor]:
    return {name: term.mean for name, term in terms.items()}


def present(terms: dict[str, Term]) -> list[str]:
    """The names of losses that took part; all are there, with the shapes of those that did."""
    assert list(terms) in (NAMES, [*NAMES, *REFINED])
    assert [len(term.total) for term in terms.values()] == [len(term.divisor) for term in terms.values()]
    assert [len(terms[name].total) for name in NAMES] == [
        TINY.decoder_layers + 1 if name.endswith("choice") else 1 for name in NAMES
    ]
    return [name for name, term in terms.items() if term.divisor.any()]


def test_losses_of_all_groups(network, targets):
    with torch.no_grad():
        found = means(objective(network, label=0.5)(decode(network), targets, SAMPLED))
    refined = REFINED if network.refiner is not None else []
    assert list(found) == [*NAMES, *refined, "visual_label"]
    assert all(value.isfinite() and value > 0 for value in found.values())


def test_only_groups_that_took_part(network, targets):
    clicks = [replace(one, phrases=[]) for one in SAMPLED]
    words = [replace(one, objects=[], first_prompts=[]) for one in SAMPLED]
    with torch.no_grad():
        clicked = present(objective(network)(decode(network, clicks, objects=False), targets, clicks))
        assert clicked == [*NAMES[6:], *(REFINED if network.refiner is not None else [])]
        assert present(objective(network)(decode(network, words, objects=False), targets, words)) == NAMES[3:6]


def test_weights_are_factors(network, targets):
    with torch.no_grad():
        decoded = decode(network)
        once = means(objective(network, label=0.5)(decoded, targets, SAMPLED))
        weights = GroupWeights(6.0, 10.0, 20.0)
        heavier = objective(network, objects=weights, phrases=weights, visual=weights, label=1.5)
        other = means(heavier(decoded, targets, SAMPLED))
    default = {"object": (2.0, 5.0, 5.0), "phrase": (0.8, 1.0, 1.0), "visual": (0.4, 1.0, 1.0)}
    for group, before in default.items():
        for kind, old, new in zip(("choice", "bce", "dice"), before, (6.0, 10.0, 20.0), strict=True):
            ratio = other[f"{group}_{kind}"] / once[f"{group}_{kind}"]
            assert ratio.item() == pytest.approx(new / old, rel=1e-4)
    assert (other["visual_label"] / once["visual_label"]).item() == pytest.approx(3, rel=1e-4)


def test_prompted_objects_are_compared_with_their_own_masks(network, targets, monkeypatch):
    asked: list[Targets] = []

    def spy(cost, embeddings, wanted, *rest):
        asked.append(wanted)
        return match(cost, embeddings, wanted, *rest)

    monkeypatch.setattr("seemkit.training.set_criterion.match", spy)
    with torch.no_grad():
        objective(network)(decode(network), targets, SAMPLED)
    all_segments, phrases, visual = asked
    assert all_segments is targets
    assert torch.equal(phrases.masks[1], targets.masks[1, :2])
    assert torch.equal(phrases.masks[0, 0], targets.masks[0, 2])
    assert phrases.valid.tolist() == [[True, False], [True, True]]
    assert torch.equal(visual.masks[0], targets.masks[0, [2, 0]])
    assert torch.equal(visual.masks[1, 0], targets.masks[1, 1])
    assert visual.valid.tolist() == [[True, True], [True, False]]


def test_masks_count_by_the_number_of_targets(network, targets):
    """The same images and targets twice: sums double, so the mean stays."""
    pair = SAMPLED * 2
    twice = Targets(*(torch.cat([part, part]) for part in (targets.masks, targets.valid, targets.labels)))
    with torch.no_grad():
        decoded = decode(network)
        many = LossWeights(points=20000)
        classes = network.embed_vocabulary(VOCABULARY)
        once = means(SetCriterion(network, many, classes, generators(2))(decoded, targets, SAMPLED))
        found = means(SetCriterion(network, many, classes, generators(4))(decode(network, pair, times=2), twice, pair))
    for name, value in once.items():
        assert found[name].item() == pytest.approx(value.item(), rel=0.05), name


def test_gradients_reach_every_trained_weight(network, targets):
    clone = copy.deepcopy(network)
    decoded = decode(clone)
    previous = mask_logits(decoded.layers[-1]["visual_query"].masks[:, ::3], decoded.context.mask_features).detach()
    corrected = [Point(60.5, 20.5), Point(5.5, 5.5, positive=False)]
    prompts = [
        [[Text("the star")], corrected, [Point(10.5, 30.5)]],
        [[Text("the grass")], [Text("the red star")], [Point(40.5, 30.5)]],
    ]
    remembered = clone.decode(decoded.context, prompts, objects=True, previous=previous, every_layer=True)
    found = objective(clone)(remembered, targets, SAMPLED)
    torch.stack(list(means(found).values())).sum().backward()
    untouched = [name for name, p in clone.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []


def test_nothing_to_find_is_finite(network):
    nothing = Targets(
        torch.zeros(2, 1, 64, 96, dtype=torch.bool),
        torch.zeros(2, 1, dtype=torch.bool),
        torch.zeros(2, 1, dtype=torch.int64),
    )
    sampled = [SampledPrompts([], [], [], [], named=True)] * 2
    with torch.no_grad():
        found = means(objective(network)(decode(network, sampled), nothing, sampled))
    assert [name for name, value in found.items() if value] == ["object_choice"]
    assert found["object_choice"].isfinite()


def test_an_image_without_prompts_beside_one_with(network, targets):
    clicked = replace(SAMPLED[0], phrases=[])
    named = replace(SAMPLED[1], objects=[], first_prompts=[], phrases=[Phrase("the grass", 0)])
    sampled = [clicked, named]
    with torch.no_grad():
        found = means(objective(network)(decode(network, sampled), targets, sampled))
        official = means(objective(network, all_or_none=True)(decode(network, sampled), targets, sampled))
    assert all(value.isfinite() for value in found.values())
    assert found["phrase_choice"] > 0
    assert [name for name in NAMES if not official[name]] == NAMES[3:6]


def test_segments_of_one_name_share_a_text_and_have_a_query_each(network, targets):
    phrases = [[Phrase("star", 2), Phrase("star", 0)], [Phrase("grass", 0)]]
    sampled = [replace(one, phrases=own, named=True) for one, own in zip(SAMPLED, phrases, strict=True)]
    assert [one.texts for one in sampled] == [["star"], ["grass"]]
    with torch.no_grad():
        decoded = decode(network, sampled)
        found = objective(network)(decoded, targets, sampled)
        full = objective(network, class_phrases=1.0)(decoded, targets, sampled)
    assert decoded.prompts["text_prompt"].owners.shape[1] == 1
    assert found["phrase_bce"].divisor.item() == 3
    assert found["phrase_choice"].mean.item() == pytest.approx(full["phrase_choice"].mean.item() / 4)


def test_padded_queries_may_be_chosen_as_in_the_reference(network, targets):
    with torch.no_grad():
        decoded = decode(network)
        ours = means(objective(network)(decoded, targets, SAMPLED))
        official = means(objective(network, padded_queries=True)(decoded, targets, SAMPLED))
    assert ours["visual_choice"] < official["visual_choice"]
    assert ours["visual_bce"] > 0


def test_a_few_steps_learn_two_images(tiny_network, targets):
    network = copy.deepcopy(tiny_network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    history = []
    for _ in range(25):
        found = objective(network)(decode(network), targets, SAMPLED)
        loss = torch.stack(list(means(found).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.6 * history[0]


def test_a_decode_of_the_last_layer_alone(network, targets):
    decoded = decode(network)
    with pytest.raises(ValueError, match="every_layer"):
        objective(network)(replace(decoded, layers=decoded.layers[-1:]), targets, SAMPLED)


def test_texts_of_clicked_objects_are_not_learned_from(targets):
    """They stand behind the phrases, where padding stands in other images."""
    network = build(replace(TINY, table="joint"))
    phrases = [[[Text("the star")]], [[Text("the grass")], [Text("the red star")]]]
    clicks = [[[Point(60.5, 20.5)], [Point(10.5, 30.5)]], [[Point(40.5, 30.5)]]]
    described = [[[Point(60.5, 20.5), Text("star")], [Point(10.5, 30.5)]], [[Point(40.5, 30.5), Text("sky")]]]
    context = network.encode_image([picture(64, 96), picture(64, 96, seed=1)])
    decoded = network.decode(
        context, [[*said, *given] for said, given in zip(phrases, described, strict=True)], every_layer=True
    )
    found = objective(network)(decoded, targets, SAMPLED)
    assert all(value.isfinite() for value in means(found).values())
    assert found["phrase_bce"].divisor.item() == 3
    torch.stack(list(means(found).values())).sum().backward()
    assert decoded.prompts["text_prompt"].owners.tolist() == [[0, 1, ABSENT], [0, 1, 2]]
    plain = network.decode(
        context, [[*said, *given] for said, given in zip(phrases, clicks, strict=True)], every_layer=True
    )
    assert set(objective(network)(plain, targets, SAMPLED)) == set(found)
