from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit import Box, Mask, Point, Polygon, Prompt, Scribble, Text
from seemkit.errors import InputError
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.interactive.clicker import center_click
from seemkit.interactive.rollout import Rollout
from seemkit.model.outputs import Decoded
from seemkit.model.visual_masks import refine
from seemkit.postprocess.panoptic import panoptic_map
from seemkit.postprocess.resize import restore
from seemkit.types import Size, Vocabulary
from tests.networks import TINY, VOCABULARY, build, picture

HERE, THERE, NOT_HERE = Point(20.5, 10.5), Point(70.5, 40.5), Point(50.5, 50.5, positive=False)


@pytest.fixture
def session(network) -> Session:
    return Session(network, picture(60, 90))


def same(first: Prediction, second: Prediction) -> bool:
    equal = torch.equal(first.mask, second.mask) and torch.equal(first.logits, second.logits)
    return equal and (first.label, first.score) == (second.label, second.score)


def test_a_prediction_has_the_size_of_the_image(session):
    found = session.add(HERE).predict()
    assert found.mask.shape == (60, 90)
    assert found.mask.dtype == torch.bool
    assert 0 <= found.score <= 1
    assert found.label in VOCABULARY.names
    assert session.size == Size(60, 90)


def mask_of(query: torch.Tensor, session: Session, decoded: Decoded | None = None) -> torch.Tensor:
    """The mask logits of one mask embedding, at the size of the image: refined, enlarged by 4, cut to the image."""
    logits = torch.einsum("c,chw->hw", query, session.context.mask_features[0])[None, None]
    if decoded is not None:
        with torch.no_grad():
            logits = refine(session.network.refiner, logits, torch.tensor([[0]]), decoded)
    padded = torch.nn.functional.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
    return padded[0, 0, :60, :90]


def test_a_click_selects_the_query_whose_mask_embedding_is_nearest(session, network):
    found = session.add(HERE, NOT_HERE).predict()
    with torch.no_grad():
        decoded = network.decode(session.context, [[[HERE, NOT_HERE]]])
    queries = decoded.layers[-1]["visual_query"].masks[0]
    logits = mask_of(queries[(queries @ decoded.prompts["visual_prompt"].pooled[0, 0]).argmax()], session, decoded)
    assert 0 < int(found.mask.sum()) < 60 * 90
    assert torch.equal(found.mask, logits > 0)
    assert found.score == pytest.approx(logits[logits > 0].sigmoid().mean().item(), abs=1e-5)


def test_a_text_selects_the_query_whose_class_embedding_is_nearest(session, network):
    found = session.add(Text("the red star")).predict()
    with torch.no_grad():
        last = network.decode(session.context, [[[Text("the red star")]]]).layers[-1]["text_query"]
        sentence = network.language(["the red star"]).sentence
    nearest = torch.nn.functional.cosine_similarity(last.classes[0], sentence, dim=1).argmax()
    assert torch.equal(found.mask, mask_of(last.masks[0, nearest], session) > 0)
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
    assert torch.equal(found.mask, mask_of(masks[score.argmax()], session, decoded) > 0)


def test_prompts_of_a_round_may_come_in_any_order(session, network):
    together = session.add(HERE, THERE).predict()
    other = Session(network, picture(60, 90)).add(THERE, HERE)
    assert same(other.predict(), together)
    assert other.prompts == {"object": (THERE, HERE)}


def test_a_later_round_remembers_the_answer_before(session, network):
    found = session.add(HERE).add(THERE).predict()
    rollout = Rollout(network, session.context, [torch.zeros(1, 60, 90, dtype=torch.bool)], [[[HERE]]])
    rollout.predict()
    rollout.add(0, 0, [THERE])
    assert torch.equal(found.mask, rollout.predict()[0][0] > 0)
    assert not torch.equal(found.logits, session.predict(HERE, THERE).logits)


def test_it_does_not_matter_what_was_asked_when(session, network):
    quiet = Session(network, picture(60, 90)).add(HERE).add(THERE).add(NOT_HERE)
    session.add(HERE).predict()
    session.predict(Text("ring"))
    session.panoptic()
    session.add(THERE).predict()
    session.predict()
    session.add(NOT_HERE)
    assert same(session.predict(), quiet.predict())


def test_undo_and_redo(session):
    first = session.add(HERE).predict()
    second = session.add(THERE).predict()
    third = session.add(NOT_HERE).predict()
    assert not torch.equal(second.logits, third.logits)
    assert same(session.undo().predict(), second)
    assert same(session.undo().predict(), first)
    assert session.prompts == {"object": (HERE,)}
    assert same(session.redo().predict(), second)
    assert same(session.redo().predict(), third)
    with pytest.raises(InputError, match="redo: nothing to redo"):
        session.redo()


def test_undo_and_add_again(session):
    session.add(HERE).predict()
    wanted = session.add(THERE).predict()
    session.undo().add(NOT_HERE).predict()
    with pytest.raises(InputError, match="nothing to redo"):
        session.redo()
    assert same(session.undo().add(THERE).predict(), wanted)


def test_undo_without_a_step(session):
    with pytest.raises(InputError, match="undo: nothing to undo"):
        session.undo()
    session.add(HERE).undo()
    with pytest.raises(InputError, match="nothing to undo"):
        session.undo()
    with pytest.raises(InputError, match="add a prompt first"):
        session.predict()


def test_reset_starts_again_and_can_be_undone(session):
    first = session.add(HERE).predict()
    later = session.add(THERE, Text("ring")).predict()
    assert same(session.reset().add(HERE).predict(), first)
    assert same(session.undo().undo().predict(), later)


def test_named_objects_do_not_meet(session, network):
    session.add(HERE, name="a").add(THERE, name="b").add(NOT_HERE, name="a").add(Text("ring"), name="c")
    found = session.predict_all()
    assert list(found) == ["b", "a", "c"]  # the one that was added to last comes last
    alone = {
        "a": Session(network, picture(60, 90)).add(HERE).add(NOT_HERE).predict(),
        "b": Session(network, picture(60, 90)).add(THERE).predict(),
        "c": Session(network, picture(60, 90)).add(Text("ring")).predict(),
    }
    assert all(same(found[name], alone[name]) for name in alone)
    assert same(session.predict(name="b"), alone["b"])
    assert same(session.predict(), alone["c"])
    session.reset("c")
    assert same(session.predict(), alone["a"])
    with pytest.raises(InputError, match="no object is named 'c'; known objects: 'b', 'a'"):
        session.predict(name="c")
    with pytest.raises(InputError, match="no object is named 'c'"):
        session.reset("c")
    assert set(session.prompts) == {"a", "b"}


def test_a_name_may_be_empty(session):
    session.add(HERE, name="").add(THERE, name="b")
    assert same(session.predict(name=""), session.predict_all()[""])
    assert not torch.equal(session.predict(name="").logits, session.predict(name="b").logits)


def test_an_object_is_decoded_again_only_if_it_changed(session, network, monkeypatch):
    session.add(HERE, name="a").add(THERE, name="b").predict_all()
    calls = []
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda *given, **more: calls.append(1) or decode(*given, **more))
    session.add(NOT_HERE, name="a").predict_all()
    assert len(calls) == 1


def test_predict_without_a_prompt(session):
    with pytest.raises(InputError, match="add a prompt first"):
        session.predict()
    with pytest.raises(InputError, match="at least one prompt"):
        session.add()


def test_only_negative_prompts(session):
    for negative in (NOT_HERE, Box(3, 3, 9, 9, positive=False)):
        with pytest.raises(InputError, match="all prompts are negative; add one"):
            session.predict(negative)
    session.add(NOT_HERE, name="dog")
    with pytest.raises(InputError, match="dog: all prompts are negative"):
        session.predict()
    assert session.add(HERE, name="dog").predict().mask.shape == (60, 90)
    assert session.predict(NOT_HERE, Text("star")).label == "star"


def test_a_negative_prompt_alone_leaves_the_choice_to_the_text(network, session):
    with torch.no_grad():
        decoded = network.decode(session.context, [[[NOT_HERE, Text("star")]]])
        found = network.select(decoded)
        sentence = network.language(["star"]).sentence[0]
        last = decoded.layers[-1]
    classes = torch.cat([last["visual_query"].classes[0], last["text_query"].classes[0]])
    likeness = torch.nn.functional.cosine_similarity(classes, sentence[None], dim=1)
    assert int(found.choice) == int(likeness.argmax())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Point(91, 5), "point 91,5 is outside the image of 90 x 60 pixels"),
        (Point(5, -1), "point 5,-1 is outside"),
        (Box(100, 5, 120, 9), "box .* marks no pixel of the image of 90 x 60 pixels"),
        (Polygon(((-9, -9), (-1, -9), (-5, -2))), "polygon .* marks no pixel"),
        (Scribble(((95, 5), (120, 9))), "scribble .* marks no pixel"),
        (Mask(torch.ones(60, 91, dtype=torch.bool)), r"mask has shape \[60, 91\]; expected \[60, 90\]"),
    ],
)
def test_a_bad_prompt_leaves_the_session_as_it_was(session, bad, message):
    first = session.add(HERE).predict()
    with pytest.raises(InputError, match=message):
        session.add(THERE, bad)
    assert session.prompts == {"object": (HERE,)}
    assert same(session.predict(), first)
    assert same(session.undo().redo().predict(), first)


def test_a_prompt_of_no_installed_kind(session):
    @dataclass(frozen=True)
    class Smell(Prompt):
        strength: float

    with pytest.raises(InputError, match=r"no installed prompt kind takes a Smell; installed: .*point"):
        session.add(Smell(1.0))


def test_a_string_is_no_prompt(session):
    with pytest.raises(InputError, match=r"write Text\('the red star'\)"):
        session.predict("the red star")


@pytest.mark.parametrize("seed", [-1, 2**70, "a", 1.5])
def test_bad_seeds(tiny_network, seed):
    with pytest.raises(InputError, match=r"seed: .*; expected a whole number"):
        Session(tiny_network, picture(60, 90), seed=seed)


def test_what_is_no_network():
    with pytest.raises(InputError, match=r"load it with SEEM.from_pretrained"):
        Session("runs/seem_tiny", picture(60, 90))


def test_a_class_name_counts_once(session):
    names = ["background", "star"]
    once, twice = session.instances(names, threshold=0.0), session.instances([*names, " star "], threshold=0.0)
    assert [(p.label, p.score) for p in once] == [(p.label, p.score) for p in twice]


def test_very_many_points_and_very_long_and_foreign_texts(session):
    points = [Point(x % 90, x // 90 % 60) for x in range(10_000)]
    found = session.predict(*points, Text("star " * 500), Text("красная звезда 赤い星 ⭐"))
    assert found.mask.shape == (60, 90)
    assert bool(found.logits.isfinite().all())


def test_one_shot_leaves_the_session_alone(session, network):
    first = session.add(HERE).predict()
    said = session.predict(Text("the red star"))
    assert said.label == "the red star"
    assert same(said, Session(network, picture(60, 90)).add(Text("the red star")).predict())
    assert session.prompts == {"object": (HERE,)}
    assert same(session.predict(), first)


def test_the_seed_chooses_the_queries():
    network = build(replace(TINY, queries=40))
    image = picture(60, 90)
    found = {seed: Session(network, image, seed=seed).predict(HERE) for seed in (0, 1)}
    assert same(Session(network, image).predict(HERE), found[0])
    assert same(Session(network, image, seed=1).predict(HERE), found[1])
    assert not torch.equal(found[0].logits, found[1].logits)


def test_panoptic_instances_and_semantic(session, network):
    names = ["background", "star"]  # a random network takes most queries for background
    vocabulary = Vocabulary(tuple(names), (True, True))
    with torch.no_grad():
        probabilities, masks = network.panoptic_inputs(session.context, network.embed_vocabulary(vocabulary))
    full = restore(masks[0], session.context.padded, Size(60, 90), Size(60, 90))
    expected = panoptic_map(probabilities[0], full, vocabulary.things, 0.0, 0.1)
    found = session.panoptic(names, threshold=0.0, overlap_threshold=0.1)
    assert len(found) == len(expected.segments) > 1
    assert {p.area for p in found} == {int((expected.ids == s.id).sum()) for s in expected.segments}
    assert int(torch.stack([p.mask for p in found]).sum(dim=0).max()) == 1
    assert [p.area for p in found] == sorted((p.area for p in found), reverse=True)
    assert all(bool((p.logits[p.mask] >= 0).all()) for p in found)
    every = session.instances(names, threshold=0.0)
    assert {p.label for p in every} == set(names)
    assert all(torch.equal(p.mask, p.logits > 0) for p in every)
    middle = every[len(every) // 2].score
    assert [p.score for p in session.instances(names, middle)] == [p.score for p in every if p.score >= middle]
    labels = session.semantic(names)
    assert labels.shape == (60, 90)
    assert set(labels.unique().tolist()) <= {0, 1}


def test_object_queries_are_decoded_once(session, network, monkeypatch):
    calls = []
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda *given, **more: calls.append(1) or decode(*given, **more))
    session.panoptic()
    session.semantic(["lamp", "river"])
    session.instances(["cat"])
    assert len(calls) == 1


def test_label_of_a_mask(session, network):
    mask = torch.zeros(60, 90, dtype=torch.bool)
    mask[10:30, 20:50] = True
    found = session.label(mask, ["lamp", "river", "old wall"])
    assert sorted(name for name, _ in found) == ["lamp", "old wall", "river"]
    assert sum(score for _, score in found) == pytest.approx(1, abs=1e-5)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert session.label(mask)[0][0] == session.predict(Mask(mask)).label
    with pytest.raises(InputError, match="no pixel is set"):
        session.label(mask & False)


@pytest.mark.parametrize("classes", [[], ["cat", " "], "cat", [3]])
def test_bad_classes(session, classes):
    with pytest.raises(InputError, match="expected a list of names"):
        session.panoptic(classes)


def test_labels_come_from_the_nearest_class(session, network):
    session.add(HERE)
    with torch.no_grad():
        decoded = network.decode(session.context, [[[HERE]]])
        query = network.select(decoded).queries.classes[0, 0]
    for names in (VOCABULARY.names, ("lamp", "river", "old wall", "cat")):
        vocabulary = Vocabulary(names, (True,) * len(names))
        with torch.no_grad():
            classes = network.embed_vocabulary(vocabulary)[:-1]
        likeness = torch.nn.functional.cosine_similarity(classes, query[None], dim=1)
        found = Session.of(network, session.context, classes=names).add(HERE).predict()
        assert found.label == names[int(likeness.argmax())]


def test_without_a_vocabulary_it_is_an_object():
    network = build(TINY)
    network.vocabulary = None
    session = Session(network, picture(40, 40))
    assert session.add(HERE).predict().label == "object"
    with pytest.raises(InputError, match="the model has no class names; give a list"):
        session.panoptic()


def test_simulate_is_the_rollout(session, network):
    truth = torch.zeros(60, 90, dtype=torch.bool)
    truth[10:40, 30:70] = True
    rounds = list(session.simulate(truth, 4))
    rollout = Rollout(network, session.context, [truth[None]], [[[center_click(truth)]]])
    for turn, (found, prompts) in enumerate(rounds):
        answer = rollout.predict()
        assert torch.equal(found.mask, answer[0][0] > 0)
        assert list(prompts) == rollout.prompts[0][0]
        assert len(prompts) == turn + 1
        rollout.correct(answer)
    assert len(rounds) == 4
    assert session.prompts == {}


@pytest.mark.parametrize("truth", [torch.zeros(60, 90, dtype=torch.bool), torch.ones(30, 90, dtype=torch.bool)])
def test_simulate_wants_a_mask_of_the_image(session, truth):
    with pytest.raises(InputError, match="mask"):
        next(session.simulate(truth, 3))


def test_a_file_and_its_pixels_are_the_same(network, tmp_path: Path):
    pixels = picture(60, 90)
    path = tmp_path / "image.png"
    Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())).save(path)
    expected = Session(network, pixels).add(HERE).predict()
    for file in (path, str(path)):
        assert same(Session(network, file).add(HERE).predict(), expected)


def test_images_in_memory_are_those_of_files(tiny_network):
    """Other forms: tests/io/test_user_image.py."""
    pixels = picture(60, 90)
    array = pixels.permute(1, 2, 0).numpy()
    expected = Session(tiny_network, pixels).add(HERE).predict()
    for image in (array, array / 255, Image.fromarray(array.copy())):
        assert same(Session(tiny_network, image).add(HERE).predict(), expected)


@pytest.mark.parametrize("image", [torch.zeros(3, 31, 90, dtype=torch.uint8), torch.randn(3, 60, 90), None])
def test_what_is_no_image(tiny_network, image):
    with pytest.raises(InputError, match=r"image: .*; expected"):
        Session(tiny_network, image)


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


def test_results_can_be_changed_in_place(tiny_network):
    session = Session(tiny_network, picture(60, 90))
    found = session.predict(Point(40, 30))
    found.mask[:] = True
    found.logits.add_(1)
    assert not session.predict(Point(40, 30)).mask.all()  # what the session keeps is not changed
    session.semantic()[0] = 3
    for one in session.panoptic(threshold=0.0):
        one.mask[0] = False


def test_earlier_rounds_hold_no_logits_of_the_image(tiny_network):
    session = Session(tiny_network, picture(60, 90))
    first = session.add(Point(40, 30)).predict()
    for x in (10, 20, 30):
        session.add(Point(x, 10, positive=False)).predict()
    held = [round_ for state in session._history.past for round_ in state.values() if "logits" in vars(round_.played)]
    assert held == []
    again = session.undo().undo().undo().predict()
    assert torch.equal(again.logits, first.logits)
