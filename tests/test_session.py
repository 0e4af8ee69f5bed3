from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.errors import InputError
from seemkit.inference.resize import restore
from seemkit.interactive.rollout import Rollout
from seemkit.interactive.user import centre_click
from seemkit.prompts.values import Point, Prompt, Text
from seemkit.session import Session
from seemkit.types import Prediction, Size, Vocabulary
from tests.networks import TINY, VOCABULARY, build, picture

HERE, THERE, NOT_HERE = Point(20.5, 10.5), Point(70.5, 40.5), Point(50.5, 50.5, positive=False)


@pytest.fixture
def session(network) -> Session:
    return Session(network, picture(60, 90))


def same(first: Prediction, second: Prediction) -> bool:
    return torch.equal(first.mask, second.mask) and (first.label, first.score) == (second.label, second.score)


def test_a_prediction_has_the_size_of_the_image(session):
    found = session.add(HERE).predict()
    assert found.mask.shape == (60, 90)
    assert found.mask.dtype == torch.bool
    assert 0 <= found.score <= 1
    assert found.label in VOCABULARY.names
    assert session.size == Size(60, 90)


def test_a_click_is_answered_by_the_chosen_query(session, network):
    found = session.add(HERE, NOT_HERE).predict()
    with torch.no_grad():
        decoded = network.decode(session.context, [[[HERE, NOT_HERE]]])
        masks = decoded.chosen_masks("visual_query", network.choose_visual(decoded))[0]
    logits = restore(masks, session.context.padded, Size(60, 90), Size(60, 90), mode="bilinear")[0]
    assert torch.equal(found.mask, logits > 0)
    if found.mask.any():
        assert found.score == pytest.approx(logits.sigmoid()[found.mask].mean().item(), abs=1e-5)


def test_a_text_is_answered_by_the_nearest_query(session, network):
    found = session.add(Text("the red star")).predict()
    with torch.no_grad():
        decoded = network.decode(session.context, [[[Text("the red star")]]])
        masks = decoded.chosen_masks("text_query", network.choose_text(decoded))[0]
    logits = restore(masks, session.context.padded, Size(60, 90), Size(60, 90), mode="bilinear")[0]
    assert torch.equal(found.mask, logits > 0)
    assert found.label == "the red star"


def test_text_and_click_decide_together(session, network):
    found = session.add(HERE, Text("the red star")).predict()
    assert found.label == "the red star"
    with torch.no_grad():
        decoded = network.decode(session.context, [[[HERE, Text("the red star")]]])
        last = decoded.layers[-1]
        pooled = decoded.prompts["visual_prompt"].pooled[0, 0]
        sentence = network.language(["the red star"]).sentence[0]
    masks = torch.cat([last["visual_query"].masks[0], last["text_query"].masks[0]])
    classes = torch.cat([last["visual_query"].classes[0], last["text_query"].classes[0]])
    likeness = torch.nn.functional.cosine_similarity(classes, sentence[None], dim=1)
    score = (masks @ pooled).log_softmax(0) + (network.language.phrase_scale * likeness).log_softmax(0)
    logits = torch.einsum("c,chw->hw", masks[score.argmax()], session.context.mask_features[0])
    logits = restore(logits[None], session.context.padded, Size(60, 90), Size(60, 90), mode="bilinear")[0]
    assert torch.equal(found.mask, logits > 0)


def test_prompts_may_come_one_by_one_or_together(session, network):
    together = session.add(HERE, THERE).predict()
    other = Session(network, picture(60, 90)).add(HERE).add(THERE)
    assert other.prompts == [HERE, THERE]
    assert same(other.predict(), together)


def test_a_later_click_remembers_the_answer_before(session, network):
    session.add(HERE).predict()
    found = session.add(THERE).predict()
    rollout = Rollout(network, session.context, [torch.zeros(1, 60, 90, dtype=torch.bool)], [[[HERE]]])
    rollout.answer()
    rollout.prompts[0][0].append(THERE)
    assert torch.equal(found.mask, rollout.answer()[0][0] > 0)


def test_asking_again_gives_the_same_answer(session):
    session.add(HERE)
    assert same(session.predict(), session.predict())


def test_undo_restores_the_earlier_answer(session):
    first = session.add(HERE).predict()
    second = session.add(THERE).predict()
    third = session.add(NOT_HERE).predict()
    assert not torch.equal(second.mask, third.mask)
    assert same(session.undo().predict(), second)
    assert same(session.undo().predict(), first)
    assert session.prompts == [HERE]


def test_undo_and_add_again(session):
    session.add(HERE).predict()
    wanted = session.add(THERE).predict()
    session.undo().add(NOT_HERE).predict()
    assert same(session.undo().add(THERE).predict(), wanted)


def test_undo_without_a_prompt(session):
    with pytest.raises(InputError, match="no prompt to take back"):
        session.undo()
    session.add(HERE).undo()
    with pytest.raises(InputError, match="no prompt to take back"):
        session.undo()


def test_clear_starts_again(session, network):
    first = session.add(HERE).predict()
    session.add(THERE, Text("ring")).predict()
    assert same(session.clear().add(HERE).predict(), first)
    with pytest.raises(InputError, match="no prompt to take back"):
        session.clear().undo()


def test_predict_without_a_prompt(session):
    with pytest.raises(InputError, match="add a prompt first"):
        session.predict()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Point(91, 5), "point 91,5 lies outside the image of 90 x 60 pixels"),
        (Point(5, -1), "point 5,-1 lies outside"),
        (Text("  "), "text prompt is empty"),
    ],
)
def test_a_bad_prompt_leaves_the_session_as_it_was(session, bad, message):
    first = session.add(HERE).predict()
    with pytest.raises(InputError, match=message):
        session.add(THERE, bad)
    assert session.prompts == [HERE]
    assert same(session.clear().add(HERE).predict(), first)


def test_a_prompt_of_no_installed_kind(session):
    @dataclass(frozen=True)
    class Smell(Prompt):
        strength: float

    with pytest.raises(InputError, match="no installed prompt kind takes a Smell"):
        session.add(Smell(1.0))


def test_say_leaves_the_prompts_alone(session, network):
    first = session.add(HERE).predict()
    said = session.say("the red star")
    assert said.label == "the red star"
    assert same(said, Session(network, picture(60, 90)).add(Text("the red star")).predict())
    assert session.prompts == [HERE]
    following = session.add(THERE).predict()
    quiet = Session(network, picture(60, 90)).add(HERE)
    assert same(quiet.predict(), first)
    assert same(quiet.add(THERE).predict(), following)


def test_labels_come_from_the_nearest_class(session, network):
    session.add(HERE)
    with torch.no_grad():
        decoded = network.decode(session.context, [[[HERE]]])
        query = decoded.layers[-1]["visual_query"].classes[0, int(network.choose_visual(decoded))]
    for names in (VOCABULARY.names, ("lamp", "river", "old wall", "cat")):
        vocabulary = Vocabulary(names, (True,) * len(names))
        with torch.no_grad():
            classes = network.embed_vocabulary(vocabulary)[:-1]
        likeness = torch.nn.functional.cosine_similarity(classes, query[None], dim=1)
        found = Session.of(network, session.context, vocabulary).add(HERE).predict()
        assert found.label == names[int(likeness.argmax())]


def test_without_a_vocabulary_it_is_an_object():
    network = build(TINY)
    network.vocabulary = None
    assert Session(network, picture(40, 40)).add(HERE).predict().label == "object"


def test_simulate_is_the_rollout(session, network):
    truth = torch.zeros(60, 90, dtype=torch.bool)
    truth[10:40, 30:70] = True
    rounds = list(session.simulate(truth, 4))
    rollout = Rollout(network, session.context, [truth[None]], [[[centre_click(truth)]]])
    for turn, (found, prompts) in enumerate(rounds):
        answer = rollout.answer()
        assert torch.equal(found.mask, answer[0][0] > 0)
        assert list(prompts) == rollout.prompts[0][0]
        assert len(prompts) == turn + 1
        rollout.correct(answer)
    assert len(rounds) == 4
    assert session.prompts == []


def test_a_file_and_its_pixels_are_the_same(network, tmp_path: Path):
    pixels = picture(60, 90)
    path = tmp_path / "image.png"
    Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())).save(path)
    expected = Session(network, pixels).add(HERE).predict()
    for file in (path, str(path)):
        assert same(Session(network, file).add(HERE).predict(), expected)


@pytest.mark.parametrize("shape", [(3, 31, 90), (3, 90, 31), (1, 60, 90), (60, 90, 3), (60, 90), (1, 3, 60, 90)])
def test_bad_tensors(tiny_network, shape):
    with pytest.raises(InputError, match="expected \\[3, H, W\\] with sides of at least 32 pixels"):
        Session(tiny_network, torch.zeros(shape))


def test_a_missing_file(tiny_network, tmp_path: Path):
    with pytest.raises(InputError, match=r"nothing\.png"):
        Session(tiny_network, tmp_path / "nothing.png")


def test_v0_in_a_session():
    network = build(replace(TINY, visual_queries=0))
    session = Session(network, picture(60, 90))
    first = session.add(HERE).predict()
    second = session.add(NOT_HERE).predict()
    assert first.mask.shape == second.mask.shape == (60, 90)
    assert not torch.equal(first.mask, second.mask)
