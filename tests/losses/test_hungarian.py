from __future__ import annotations

import itertools

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from seemkit.losses.hungarian import UNMATCHED, assign, assign_owned


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(5))
def test_no_permutation_is_cheaper(seed):
    layers, batch, queries, count = 2, 3, 5, 4
    cost, counts = draw(layers, batch, queries, count, seed=seed), [4, 2, 0]
    valid = torch.arange(count)[None] < torch.tensor(counts)[:, None]
    found = assign(cost, valid)
    for layer in range(layers):
        for image, targets in enumerate(counts):
            mine, rows = found[layer, image], range(targets)
            best = min(
                sum(float(cost[layer, image, q, t]) for t, q in enumerate(chosen))
                for chosen in itertools.permutations(range(queries), targets)
            )
            assert len(set(mine[:targets].tolist())) == targets
            assert sum(float(cost[layer, image, mine[t], t]) for t in rows) == pytest.approx(best, abs=1e-5)
            assert bool((mine[targets:] == UNMATCHED).all())


def test_surplus_targets_stay_unmatched():
    cost = torch.tensor([[[[3.0, 1.0, 2.0], [1.0, 5.0, 4.0]]]])  # two queries, three targets
    found = assign(cost, torch.ones(1, 3, dtype=torch.bool))[0, 0]
    assert found.tolist() == [1, 0, UNMATCHED]


def test_one_choice_for_each_layer():
    cost = torch.tensor([[[[0.0], [1.0]]], [[[1.0], [0.0]]]])
    assert assign(cost, torch.ones(1, 1, dtype=torch.bool)).tolist() == [[[0]], [[1]]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("copies", [1, 3])
def test_owned_is_the_assignment_with_infinite_cost_elsewhere(seed, copies):
    layers, batch, count = 2, 3, 4
    cost = draw(layers, batch, count * copies, count, seed=seed)
    valid = torch.arange(count)[None] < torch.tensor([4, 1, 0])[:, None]
    found = assign_owned(cost, valid, copies)
    foreign = torch.arange(count * copies)[:, None] // copies != torch.arange(count)[None]
    for layer in range(layers):
        for image, targets in enumerate(valid.sum(dim=1).tolist()):
            table = cost[layer, image].masked_fill(foreign, float("inf"))[:, :targets].numpy()
            queries, columns = linear_sum_assignment(table)
            assert found[layer, image, columns].tolist() == queries.tolist()
            assert bool((found[layer, image, targets:] == UNMATCHED).all())
