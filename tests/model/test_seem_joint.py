"""The joint table: a visual query reads the texts of its own object, and only those."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit import SEEM, Point, Text
from seemkit.nn.context import ImageContext
from tests.networks import TINY, build, decode, every_layer, picture

CLICK, OTHER = Point(20.5, 10.5), Point(70.5, 40.5)


@pytest.fixture(params=[0, 16], ids=["plain", "click field"])
def joint(request: pytest.FixtureRequest) -> SEEM:
    return build(replace(TINY, table="joint", click_field=request.param))


@pytest.fixture
def image(joint: SEEM) -> ImageContext:
    with torch.no_grad():
        return joint.encode_image([picture(60, 90)])


def visual(network: SEEM, context: ImageContext, *objects) -> torch.Tensor:
    return decode(network, context, *objects).layers[-1]["visual_query"].masks[0]


def test_a_text_changes_the_mask_of_its_object(joint, image):
    alone, red, blue = (visual(joint, image, [CLICK, *said]) for said in ([], [Text("red")], [Text("blue star")]))
    assert not torch.allclose(alone, red, atol=1e-3)
    assert not torch.allclose(red, blue, atol=1e-3)


def test_it_does_not_change_other_objects(joint, image):
    copies = joint.queries.copies
    quiet = visual(joint, image, [CLICK], [OTHER])
    said = visual(joint, image, [CLICK, Text("red")], [OTHER])
    torch.testing.assert_close(said[copies:], quiet[copies:], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(said[:copies], quiet[:copies], atol=1e-3)
    elsewhere = visual(joint, image, [CLICK], [OTHER], [Text("red")])
    torch.testing.assert_close(elsewhere, quiet, atol=1e-4, rtol=1e-4)


def test_without_texts_it_is_the_separate_table(joint, image):
    plain = build(replace(TINY, click_field=joint.architecture.click_field))
    own = joint.state_dict()
    plain.load_state_dict({name: own[name] for name in plain.state_dict()})
    context = plain.encode_image([picture(60, 90)])
    objects = ([CLICK], [OTHER, Point(50, 20, positive=False)])
    both = [decode(network, where, *objects) for network, where in ((joint, image), (plain, context))]
    assert every_layer(*both, "visual_query")
    one_text = [decode(network, where, [Text("star")]) for network, where in ((joint, image), (plain, context))]
    assert every_layer(*one_text, "text_query")


def test_only_the_joint_click_field_has_weights_for_words():
    names = {name for name, _ in build(replace(TINY, table="joint", click_field=16)).named_parameters()}
    plain = {name for name, _ in build(replace(TINY, click_field=16)).named_parameters()}
    assert names - plain == {"click_field.words"}
