"""The official demo's table, in which the object queries answer all prompts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit import Point, Session, Text
from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.training.module import SeemModule
from tests.networks import TINY, build, decode, picture

CLICK = [Point(10, 12), Point(30, 40, positive=False)]


@pytest.fixture(scope="module")
def demo() -> SEEM:
    return build(replace(TINY, visual_queries=0, table="composed"))


@pytest.fixture(scope="module")
def image(demo):
    with torch.no_grad():
        return demo.encode_image([picture(60, 90)])


def test_there_are_only_object_queries(demo, image):
    found = decode(demo, image, CLICK, [Text("star")], objects=True)
    assert [set(layer) for layer in found.layers] == [{"object_query"}] * (TINY.decoder_layers + 1)


@pytest.mark.parametrize("prompts", [CLICK, [Text("star")]], ids=["click", "text"])
def test_prompts_change_what_the_object_queries_see(demo, image, prompts):
    without, given = decode(demo, image, objects=True), decode(demo, image, prompts)
    first, last = (
        [layers[place]["object_query"].masks for layers in (without.layers, given.layers)] for place in (0, -1)
    )
    assert torch.equal(*first)
    assert not torch.allclose(*last, atol=1e-3)


def test_the_best_of_all_queries_answers(demo, image):
    found = decode(demo, image, CLICK)
    pooled = found.prompts["visual_prompt"].pooled[0, 0]
    scores = found.layers[-1]["object_query"].masks[0] @ pooled
    assert demo.select(found).choice.tolist() == [[int(scores.argmax())]]


def test_no_memory(demo, image):
    previous = torch.randn(1, 1, *image.mask_features.shape[-2:])
    remembered, forgotten = decode(demo, image, CLICK, previous=previous), decode(demo, image, CLICK)
    last = [found.layers[-1]["object_query"].masks for found in (remembered, forgotten)]
    assert torch.equal(*last)


def test_sessions(demo):
    session = Session(demo, picture(60, 90))
    first = session.add(*CLICK).predict()
    second = session.add(Text("star")).predict()
    assert first.mask.shape == second.mask.shape == (60, 90)
    assert second.label == "star"


def test_training_needs_the_other_table():
    with pytest.raises(InputError, match=r"table: composed is for inference"):
        SeemModule(replace(TINY, table="composed"))
