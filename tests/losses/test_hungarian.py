from __future__ import annotations

import itertools

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from seemkit.losses.hungarian import UNMATCHED, assign, assign_owned


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("targets", [4, 2, 0])
def test_no_permutation_is_cheaper(seed, targets):
    layers, queries = 2, 5
    cost = draw(layers, queries, targets, seed=seed)
    (found,) = assign([cost])
    assert found.shape == (layers, targets)
    for layer, mine in enumerate(found.tolist()):
        best = min(
            sum(float(cost[layer, q, t]) for t, q in enumerate(chosen))
            for chosen in itertools.permutations(range(queries), targets)
        )
        assert len(set(mine)) == targets
        assert sum(float(cost[layer, q, t]) for t, q in enumerate(mine)) == pytest.approx(best, abs=1e-5)


def test_surplus_targets_stay_unmatched():
    cost = torch.tensor([[[3.0, 1.0, 2.0], [1.0, 5.0, 4.0]]])  # two queries, three targets
    assert assign([cost])[0].tolist() == [[1, 0, UNMATCHED]]


def test_one_choice_for_each_layer():
    assert assign([torch.tensor([[[0.0], [1.0]], [[1.0], [0.0]]])])[0].tolist() == [[0], [1]]


def test_images_are_solved_each_for_itself():
    costs = [draw(3, 6, targets, seed=targets) for targets in (4, 0, 6, 2)]
    for found, cost in zip(assign(costs), costs, strict=True):
        assert torch.equal(found, assign([cost])[0])
    assert assign([]) == []


def test_a_cost_that_is_not_finite_is_avoided():
    cost = torch.tensor([[[float("nan"), 1.0], [0.0, float("-inf")]]])
    assert assign([cost])[0].tolist() == [[1, 0]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("targets", [4, 1, 0])
def test_owned_is_the_assignment_with_infinite_cost_elsewhere(seed, copies, targets):
    layers, padded = 2, 4
    cost = draw(layers, padded * copies, targets, seed=seed)
    owners = torch.arange(padded)[-targets:] if targets else torch.arange(0)
    found = assign_owned(cost, owners, copies)
    assert found.shape == (layers, targets)
    foreign = torch.arange(padded * copies)[:, None] // copies != owners[None]
    for layer in range(layers):
        queries, columns = linear_sum_assignment(cost[layer].masked_fill(foreign, float("inf")).numpy())
        assert found[layer, columns].tolist() == queries.tolist()
