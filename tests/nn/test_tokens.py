from __future__ import annotations

import itertools

import pytest
import torch

from seemkit.nn import tokens as t
from seemkit.nn.tokens import ABSENT, SHARED, Group, Role, Tokens, visibility

READS = {  # who reads whom, besides its own group
    "object_query": set(),
    "text_query": {"text_prompt"},
    "visual_query": {"visual_prompt", "memory"},
    "memory": set(),
    "text_prompt": {"text_query"},
    "visual_prompt": set(),
}
GROUPS = [t.OBJECT_QUERY, t.TEXT_QUERY, t.VISUAL_QUERY, t.MEMORY, t.TEXT_PROMPT, t.VISUAL_PROMPT]


def tokens(group: Group, owner: torch.Tensor) -> Tokens:
    values = torch.zeros(owner.shape[1], owner.shape[2], 4)
    return Tokens(group, [values], [values], owner, owner[0] != ABSENT)


def naive(sequence: list[Tokens], layer: int) -> torch.Tensor:
    flat = []
    for part in sequence:
        owner = part.owner[layer] if len(part.owner) > 1 else part.owner[0]
        flat += [(part.group.name, owner[:, n], part.valid[:, n]) for n in range(part.count)]
    allowed = torch.zeros(len(flat[0][1]), len(flat), len(flat), dtype=torch.bool)
    for b in range(len(allowed)):
        for i, (reader, mine, _) in enumerate(flat):
            for j, (read, other, valid) in enumerate(flat):
                table = reader == read or read in READS[reader]
                same = int(mine[b]) == int(other[b]) or SHARED in (int(mine[b]), int(other[b]))
                allowed[b, i, j] = (table and same and bool(valid[b])) or i == j
    return allowed


@pytest.mark.parametrize("seed", range(8))
def test_visibility_is_the_table(seed):
    generator = torch.Generator().manual_seed(seed)
    layers = 3
    chosen = [g for g in GROUPS if torch.rand((), generator=generator) < 0.8] or [t.MEMORY]
    sequence = []
    for group in chosen:
        count = int(torch.randint(1, 6, (1,), generator=generator))
        deep = layers if group is t.MEMORY else 1
        owner = torch.randint(ABSENT, 3, (deep, 2, count), generator=generator)
        if deep > 1:  # a memory slot changes hands between layers, but padding stays padding
            owner[1:] = torch.where(owner[:1] == ABSENT, ABSENT, owner[1:].clamp(min=0))
        sequence.append(tokens(group, owner))
    for layer in range(layers):
        assert torch.equal(visibility(sequence, layer), naive(sequence, layer))


def test_every_group_sees_what_the_table_says():
    seen = {a.name: {b.name for b in GROUPS if a.sees(b)} - {a.name} for a in GROUPS}
    assert seen == READS
    assert all(group.sees(group) for group in GROUPS)


def test_a_new_group_attaches_itself():
    sound = Group("sound", Role.PROMPT, read_by=frozenset({"object_query"}))
    readers = {group.name for group in GROUPS if group.sees(sound)}
    assert readers == {"object_query"}
    assert not any(sound.sees(group) for group in GROUPS)


def test_what_the_groups_do():
    looking = {g.name: g.role for g in GROUPS}
    assert {name for name, role in looking.items() if role is Role.QUERY} == {n for n in READS if n.endswith("query")}
    assert [name for name, role in looking.items() if role is Role.MEMORY] == ["memory"]
    assert [g.name for g in GROUPS if g.fresh] == ["visual_prompt"]


def test_no_row_is_empty():
    owner = torch.full((1, 1, 3), ABSENT)
    allowed = visibility([tokens(t.VISUAL_QUERY, owner), tokens(t.VISUAL_PROMPT, owner)], 0)
    assert torch.equal(allowed[0], torch.eye(6, dtype=torch.bool))


def test_objects_are_strangers():
    for first, second in itertools.permutations(range(3), 2):
        owner = torch.tensor([[[first, second]]])
        allowed = visibility([tokens(t.VISUAL_QUERY, owner), tokens(t.VISUAL_PROMPT, owner)], 0)[0]
        assert allowed.tolist() == [
            [True, False, True, False],
            [False, True, False, True],
            [False, False, True, False],
            [False, False, False, True],
        ]


def test_the_demo_s_table():
    sound = Group("sound", Role.PROMPT, read_by=frozenset({"visual_query"}))
    groups = [t.composed(group) for group in (t.OBJECT_QUERY, t.TEXT_PROMPT, t.VISUAL_PROMPT, sound)]
    seen = {a.name: {b.name for b in groups if a.sees(b)} - {a.name} for a in groups}
    assert seen == {
        "object_query": {"text_prompt", "visual_prompt", "sound"},
        "text_prompt": {"object_query"},
        "visual_prompt": set(),
        "sound": set(),
    }
    assert [group.fresh for group in groups] == [False, False, True, False]


def test_the_joint_table():
    groups = [t.joint(group) for group in GROUPS]
    seen = {a.name: {b.name for b in groups if a.sees(b)} - {a.name} for a in groups}
    before = {a.name: {b.name for b in GROUPS if a.sees(b)} - {a.name} for a in GROUPS}
    assert seen == before | {"visual_query": {"visual_prompt", "memory", "text_prompt"}}
    assert [group.name for group in GROUPS if group.shared] == ["text_prompt"]
    assert not any(group.shared for group in groups)


def test_who_answers():
    names = {group.name: t.queries_for(group) for group in (t.TEXT_PROMPT, t.VISUAL_PROMPT)}
    assert names == {"text_prompt": t.TEXT_QUERY, "visual_prompt": t.VISUAL_QUERY}
    for query in (t.TEXT_QUERY, t.VISUAL_QUERY):
        assert t.queries_for(Group("sound", Role.PROMPT, read_by=frozenset({query.name}))) == query
    assert t.queries_for(Group("sound", Role.PROMPT)) is None


def test_tokens_of_a_shared_group_belong_to_everybody():
    found = tokens(t.TEXT_PROMPT, torch.tensor([[[0, 1, t.ABSENT]]]))
    assert found.under(t.TEXT_PROMPT).owner.tolist() == [[[t.SHARED, t.SHARED, t.ABSENT]]]
    assert found.under(t.joint(t.TEXT_PROMPT)).owner.tolist() == [[[0, 1, t.ABSENT]]]
