from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DistributedSampler

from seemkit.data.loading.samplers import EvaluationSampler, SampleKey, SeededSampler, SequenceSampler, generator_of
from seemkit.errors import InputError


def positions(sampler: SeededSampler | EvaluationSampler | SequenceSampler) -> list[int]:
    return [key.position for key in sampler]


def test_order_is_a_function_of_seed_and_epoch() -> None:
    sampler = SeededSampler(50, seed=3)
    first = positions(sampler)
    assert sorted(first) == list(range(50))
    assert positions(sampler) == first
    sampler.set_epoch(1)
    second = positions(sampler)
    assert second != first
    assert {key.epoch for key in sampler} == {1}
    other = SeededSampler(50, seed=3)
    other.set_epoch(1)
    assert positions(other) == second
    assert positions(SeededSampler(50, seed=4)) != first


def test_without_shuffle() -> None:
    assert positions(SeededSampler(5, seed=0, shuffle=False)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("count", "world"), [(10, 1), (10, 3), (11, 4), (4, 4), (12, 4)])
def test_ranks_share_without_repeats(count: int, world: int) -> None:
    samplers = [SeededSampler(count, 0, True, rank, world) for rank in range(world)]
    shares = [positions(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {len(samplers[0])} == {count // world}
    drawn = [index for share in shares for index in share]
    assert len(set(drawn)) == len(drawn) == count // world * world


def test_start_leaves_out_the_beginning() -> None:
    sampler = SeededSampler(11, 0, True, 1, 2)
    whole = positions(sampler)
    sampler.start = 3
    assert positions(sampler) == whole[3:]
    assert len(sampler) == 5


@pytest.mark.parametrize(("count", "seed", "field"), [(2, 0, "train_split"), (9, -1, "seed")])
def test_bad_settings(count: int, seed: int, field: str) -> None:
    with pytest.raises(InputError, match=f"^{field}: "):
        SeededSampler(count, seed, rank=0, world=3)


@pytest.mark.parametrize(("count", "world"), [(5, 1), (5, 2), (6, 4), (2, 3), (0, 1)])
def test_evaluation_visits_each_once(count: int, world: int) -> None:
    samplers = [EvaluationSampler(range(count), rank, world) for rank in range(world)]
    assert [len(sampler) for sampler in samplers] == [len(positions(sampler)) for sampler in samplers]
    assert sorted(index for sampler in samplers for index in positions(sampler)) == list(range(count))
    assert positions(samplers[-1]) == list(range(world - 1, count, world))


@given(st.lists(st.integers(1, 200), max_size=12), st.integers(1, 5))
def test_sequences_stay_whole_and_balanced(lengths: list[int], world: int) -> None:
    samplers = [SequenceSampler(lengths, rank, world) for rank in range(world)]
    shares = [positions(sampler) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(share) for share in shares]
    assert sorted(index for share in shares for index in share) == list(range(sum(lengths)))
    owner = {index: rank for rank, share in enumerate(shares) for index in share}
    for start, length in zip(accumulate([0, *lengths]), lengths, strict=False):
        assert len({owner[index] for index in range(start, start + length)}) == 1
    assert all(share == sorted(share) for share in shares)
    # whoever has most could not give its shortest sequence away without a loss
    sizes = sorted(map(len, shares))
    assert sizes[-1] - sizes[0] <= max(lengths, default=0)


def test_longest_sequences_go_first() -> None:
    shares = [positions(SequenceSampler([2, 3, 9, 4], rank, 2)) for rank in range(2)]
    assert shares == [list(range(5, 14)), [*range(5), *range(14, 18)]]
    assert positions(SequenceSampler([2], 1, 2)) == []
    assert isinstance(SequenceSampler([2]), DistributedSampler)  # else Lightning puts its own in place


def test_generators_differ_by_seed_epoch_and_position() -> None:
    def draw(seed: int, epoch: int, position: int) -> float:
        return float(torch.rand((), generator=generator_of(SampleKey(position, epoch), seed)))

    draws = {draw(s, e, p) for s in range(4) for e in range(4) for p in range(4)}
    assert len(draws) == 64
    assert draw(1, 2, 3) == draw(1, 2, 3)


def test_key_of_a_plain_int() -> None:
    assert SampleKey.of(4) == (4, 0)
    assert SampleKey.of(SampleKey(4, 2)) == (4, 2)
