"""Any mix of prompts gives masks of the image's size, without NaN."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seemkit import Box, Circle, Mask, Point, Polygon, RegionOf, Scribble, Session, Text
from seemkit.errors import InputError
from tests.networks import TINY, build, picture

HEIGHT, WIDTH = 60, 90
SIGN = st.booleans()
X, Y = st.floats(0, WIDTH), st.floats(0, HEIGHT)
ANYWHERE = st.tuples(st.floats(-200, 300), st.floats(-200, 300))
POINTS = st.builds(Point, X, Y, SIGN)
BOXES = st.builds(
    lambda x, y, w, h, sign: Box(x, y, x + w, y + h, sign), X, Y, st.floats(0.01, 200), st.floats(0.01, 200), SIGN
)
SCRIBBLES = st.builds(Scribble, st.lists(ANYWHERE, min_size=1, max_size=6), st.floats(0.1, 40), SIGN)
CIRCLES = st.builds(Circle, st.lists(ANYWHERE, min_size=1, max_size=3), st.floats(0.1, 60), SIGN)
POLYGONS = st.one_of(
    st.builds(Polygon, st.lists(ANYWHERE, min_size=3, max_size=7), SIGN),
    st.builds(lambda points: Polygon(points, curve=True), st.lists(ANYWHERE, min_size=1, max_size=7)),
)
TEXTS = st.builds(Text, st.text(min_size=1, max_size=60).filter(str.strip))


def _mask(box: tuple[int, int, int, int], positive: bool) -> Mask:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    top, left, height, width = box
    mask[top : top + height, left : left + width] = True
    return Mask(mask, positive)


CORNERS = st.tuples(
    st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, HEIGHT), st.integers(1, WIDTH)
)
MASKS = st.builds(_mask, CORNERS, SIGN)
REGIONS = st.lists(st.one_of(POINTS, MASKS), min_size=1, max_size=2).map(
    lambda prompts: RegionOf(picture(HEIGHT, WIDTH, seed=2), (Point(30, 20), *prompts))
)
PROMPTS = st.one_of(POINTS, BOXES, SCRIBBLES, CIRCLES, POLYGONS, TEXTS, MASKS, REGIONS)
OBJECTS = st.lists(st.lists(PROMPTS, min_size=1, max_size=4), min_size=1, max_size=3)
QUIET = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@QUIET
@given(objects=OBJECTS)
def test_several_objects_in_one_call(network, objects):
    with torch.no_grad():
        context = network.encode_image([picture(HEIGHT, WIDTH)])
        try:
            decoded = network.decode(context, [objects])
        except InputError as error:  # a brush or a polygon that lies beside the image
            said = str(error)
            assert "marks no pixel" in said
            return
        answer = network.select(decoded)
    assert answer.owners.tolist() == [list(range(len(objects)))]
    assert answer.masks().shape[:2] == (1, len(objects))
    assert bool(answer.masks().isfinite().all())
    assert bool(answer.queries.classes.isfinite().all())


@QUIET
@given(rounds=st.lists(st.lists(PROMPTS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_rounds_of_a_session(network, rounds):
    session = Session(network, picture(HEIGHT, WIDTH))
    try:
        for prompts in rounds:
            session.add(*prompts)
        found = session.predict()
    except InputError as error:
        said = str(error)
        assert "marks no pixel" in said or "all prompts are negative" in said
        return
    assert found.mask.shape == found.logits.shape == (HEIGHT, WIDTH)
    assert bool(found.logits.isfinite().all())
    assert 0 <= found.score <= 1
    again = session.undo().redo().predict()
    assert torch.equal(again.logits, found.logits)


@pytest.mark.parametrize("table", ["joint", "composed"])
def test_the_other_tables(table):
    network = build(replace(TINY, table=table, click_field=16 if table == "joint" else 0))
    objects = [
        [Point(5, 5), Text("star"), Box(3, 3, 40, 40)],
        [Text("ring")],
        [Scribble(((50, 20), (70, 40))), Point(60, 30, positive=False)],
    ]
    with torch.no_grad():
        answer = network.select(network.decode(network.encode_image([picture(HEIGHT, WIDTH)]), [objects]))
    assert answer.masks().shape[:2] == (1, 3)
    assert bool(answer.masks().isfinite().all())
