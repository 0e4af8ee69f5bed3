"""Which query answers: against a loop over objects and queries, written from the description."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit import SEEM, Point, Text
from tests.networks import TINY, build, picture

CLICKS = [Point(20.5, 10.5), Point(70.5, 50.5, positive=False)]
OBJECTS = [
    [Point(44.5, 5.5)],
    [Text("the red star")],
    [*CLICKS, Text("ring")],
    [Text("sky"), Text("grass")],
    [Point(80.5, 40.5, positive=False), Text("a lamp")],
    [Point(60.5, 55.5), Point(61.5, 12.5), Text("the small blue star")],
]


def naive(network: SEEM, context, objects) -> list[tuple[str, int]]:
    """The query group and the place in it that answers for each object."""
    decoded = network.decode(context, [objects])
    last, copies, chosen = decoded.layers[-1], network.queries.copies, []
    visual = [i for i, prompts in enumerate(objects) if any(isinstance(p, Point) for p in prompts)]
    for index, prompts in enumerate(objects):
        points, texts = ([p for p in prompts if isinstance(p, kind)] for kind in (Point, Text))
        candidates = []
        if points:
            slot = visual.index(index)
            candidates += [("visual_query", copies * slot + copy) for copy in range(copies)]
        if texts:
            candidates += [("text_query", query) for query in range(last["text_query"].masks.shape[1])]
        total = torch.zeros(len(candidates))
        if points and (any(p.positive for p in points) or not texts):
            vector = decoded.prompts["visual_prompt"].pooled[0, visual.index(index)]
            total += torch.stack([last[name].masks[0, q] @ vector for name, q in candidates]).log_softmax(0)
        if texts:
            sentence = network.language([p.text for p in texts]).sentence.mean(dim=0)
            classes = torch.stack([last[name].classes[0, q] for name, q in candidates])
            likeness = torch.nn.functional.cosine_similarity(classes, sentence[None])
            total += (network.language.phrase_scale * likeness).log_softmax(0)
        chosen.append(candidates[int(total.argmax())])
    return chosen


@pytest.mark.parametrize("table", ["separate", "joint"])
def test_it_is_the_naive_choice(table):
    kinds = set()
    for seed in range(4):
        network = build(replace(TINY, table=table), seed)
        with torch.no_grad():
            context = network.encode_image([picture(60, 90, seed)])
            found = network.select(network.decode(context, [OBJECTS]))
            expected = naive(network, context, OBJECTS)
            last = network.decode(context, [OBJECTS]).layers[-1]
        assert found.owners.tolist() == [list(range(len(OBJECTS)))]
        for place, (group, query) in enumerate(expected):
            torch.testing.assert_close(found.queries.masks[0, place], last[group].masks[0, query])
            torch.testing.assert_close(found.queries.classes[0, place], last[group].classes[0, query])
            kinds.add((len(OBJECTS[place]), group))
    assert {(3, "visual_query"), (3, "text_query")} <= kinds  # with both kinds of prompts, either may answer


def test_images_of_a_batch_do_not_meet(tiny_network):
    objects = [OBJECTS, OBJECTS[1:4]]
    with torch.no_grad():
        pair = tiny_network.encode_image([picture(60, 90), picture(64, 96, seed=1)])
        both = tiny_network.select(tiny_network.decode(pair, objects))
        for index in range(2):
            own = tiny_network.decode(pair.repeat(index, 1), [objects[index]])
            alone = tiny_network.select(own)
            count = len(objects[index])
            assert both.owners[index, :count].tolist() == alone.owners[0].tolist() == list(range(count))
            torch.testing.assert_close(both.masks()[index, :count], alone.masks()[0], atol=1e-3, rtol=1e-3)


def test_the_composed_table_chooses_among_object_queries():
    network = build(replace(TINY, visual_queries=0, table="composed"))
    with torch.no_grad():
        decoded = network.decode(network.encode_image([picture(60, 90)]), [OBJECTS])
        found = network.select(decoded)
    queries = decoded.layers[-1]["object_query"].masks[0]
    torch.testing.assert_close(found.queries.masks[0], queries[found.choice[0]])


def test_whose_prompts_count_does_not_depend_on_other_objects(tiny_network):
    """An object of negative clicks alone, beside one that has a text."""
    negative = [Point(20.5, 10.5, positive=False)]
    for seed in range(10):
        with torch.no_grad():
            context = tiny_network.encode_image([picture(60, 90, seed)])
            alone = tiny_network.select(tiny_network.decode(context, [[negative]]))
            beside = tiny_network.select(tiny_network.decode(context, [[negative, [Text("star")]]]))
        assert int(beside.choice[0, 0]) == int(alone.choice[0, 0])
