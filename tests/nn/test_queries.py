from __future__ import annotations

import pytest
import torch

from seemkit.nn.queries import LearnedQueries
from seemkit.nn.tokens import ABSENT, SHARED


def make(copies: int = 3, memory: int = 8, queries: int = 10) -> LearnedQueries:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LearnedQueries(4, queries, memory, copies)


@pytest.mark.parametrize("memory", [5, 8, 32])
@pytest.mark.parametrize("objects", range(1, 6))
def test_memory_is_dealt_evenly_and_in_order(memory, objects):
    present = torch.arange(7)[None] < objects
    slots = make(memory=memory).deal_memory(present)
    assert slots.shape == (1, 1, memory)
    dealt = slots[0, 0].tolist()
    shares = [dealt.count(index) for index in range(objects)]
    assert sum(shares) == memory
    assert max(shares) - min(shares) <= 1
    assert dealt == sorted(dealt)


def test_images_share_memory_by_their_own_objects():
    slots = make(memory=6).deal_memory(torch.tensor([[True, True], [True, False], [False, False]]))[0]
    assert slots.tolist() == [[0, 0, 0, 1, 1, 1], [0] * 6, [0] * 6]


def test_memory_belongs_to_the_object_of_its_slot():
    queries = make(memory=4)
    owners = torch.tensor([[2, 5], [ABSENT, ABSENT]])
    found = queries.memory_tokens(owners, torch.tensor([[[0, 0, 1, 1], [0, 0, 0, 0]], [[1, 0, 1, 0], [0, 0, 0, 0]]]))
    assert found.owner[:, 0].tolist() == [[2, 2, 5, 5], [5, 2, 5, 2]]
    assert bool((found.owner[:, 1] < ABSENT).all())


def test_visual_queries_are_copies_of_object_queries():
    queries = make(copies=2)
    objects = queries.object_tokens(1)
    found = queries.visual_tokens(torch.tensor([[1, 4]]), torch.tensor([7, 0, 3, 3]))
    assert torch.equal(found.values[0][0], objects.values[0][0, [7, 0, 3, 3]])
    assert torch.equal(found.positions[0][0], objects.positions[0][0, [7, 0, 3, 3]])
    assert found.owner.tolist() == [[[1, 1, 4, 4]]]


def test_the_draw_is_fixed_and_does_not_depend_on_later_objects():
    few, many = make().visual_tokens(torch.tensor([[0, 1]])), make().visual_tokens(torch.arange(9)[None])
    assert torch.equal(few.values[0], many.values[0][:, :6])
    torch.manual_seed(99)
    assert torch.equal(make().visual_tokens(torch.tensor([[0, 1]])).values[0], few.values[0])


def test_no_copies_means_all_queries():
    queries = make(copies=0)
    assert queries.copies == 10
    found, objects = queries.visual_tokens(torch.tensor([[0, 1]])), queries.object_tokens(1)
    assert torch.equal(found.values[0], torch.cat([objects.values[0]] * 2, dim=1))


def test_queries_of_absent_objects_belong_to_nobody_else():
    found = make(copies=2).visual_tokens(torch.tensor([[0, 3, 4], [1, ABSENT, ABSENT]]))
    assert found.owner[0].tolist()[0] == [0, 0, 3, 3, 4, 4]
    first, _, second, same, third, _ = found.owner[0, 1].tolist()
    assert (first, second) == (1, same)
    assert len({first, second, third}) == 3
    assert {second, third}.isdisjoint({SHARED, ABSENT, 0, 3, 4})


def test_text_queries_equal_object_queries_at_first():
    queries = make()
    texts, objects = queries.text_tokens(2), queries.object_tokens(2)
    assert torch.equal(texts.values[0], objects.values[0])
    assert torch.equal(texts.positions[0], objects.positions[0])
    assert bool((texts.owner == SHARED).all())
    assert bool(texts.valid.all())
