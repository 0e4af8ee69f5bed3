from __future__ import annotations

import math

import pytest
import torch

from seemkit.losses.mask import bce_loss, dice_loss, mask_cost, matched_mask_losses
from seemkit.ops.points import sample_points, uncertain_points


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def naive_bce(logits: list[float], truth: list[float]) -> float:
    pairs = zip(logits, truth, strict=True)
    terms = [-(t * math.log(sigmoid(x)) + (1 - t) * math.log(1 - sigmoid(x))) for x, t in pairs]
    return sum(terms) / len(terms)


def naive_dice(logits: list[float], truth: list[float]) -> float:
    probability = [sigmoid(x) for x in logits]
    overlap = 2 * sum(p * t for p, t in zip(probability, truth, strict=True))
    return 1 - (overlap + 1) / (sum(probability) + sum(truth) + 1)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("soft", [False, True])
def test_losses_are_the_sums(soft):
    logits, truth = 2 * draw(5, 30), draw(5, 30, seed=1).sigmoid()
    truth = truth if soft else (truth > 0.6).double()
    for row in range(5):
        pair = logits[row].tolist(), truth[row].tolist()
        assert bce_loss(logits, truth)[row].item() == pytest.approx(naive_bce(*pair))
        assert dice_loss(logits, truth)[row].item() == pytest.approx(naive_dice(*pair))


def test_a_perfect_mask_costs_nothing_and_the_opposite_much():
    truth = (draw(40) > 0).double()
    perfect = 40 * (2 * truth - 1)
    assert bce_loss(perfect, truth).item() == pytest.approx(0, abs=1e-12)
    assert dice_loss(perfect, truth).item() == pytest.approx(0, abs=1e-12)
    assert bce_loss(-perfect, truth).item() == pytest.approx(40)
    assert dice_loss(-perfect, truth).item() > 0.95


def test_empty_mask_of_an_empty_target_is_perfect():
    assert dice_loss(torch.full((20,), -50.0), torch.zeros(20)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("points", [25, 2500])
def test_cost_of_every_pair(points):
    embeddings, features = draw(4, 3), draw(3, points, seed=2)
    truth = (draw(points, 2, seed=1) > 0).double()  # [n, N]
    found = mask_cost(embeddings, features, truth, bce=3.0, dice=0.5)
    assert found.shape == (4, 2)
    for query, target in torch.cartesian_prod(*map(torch.arange, found.shape)).tolist():
        pair = (embeddings[query] @ features).tolist(), truth[:, target].tolist()
        expected = 3.0 * naive_bce(*pair) + 0.5 * naive_dice(*pair)
        assert found[query, target].item() == pytest.approx(expected)


def test_large_logits_stay_finite():
    features, truth = torch.tensor([[300.0, -300.0]]), torch.tensor([[0.0], [1.0]])
    found = mask_cost(torch.ones(1, 1), features, truth, bce=5.0, dice=5.0)
    assert found.item() == pytest.approx(5 * 300 + 5 * (1 - 1 / 3))


def test_matched_losses_are_those_of_each_pair_at_its_own_points():
    """With gradients, against one pair at a time."""
    layers, count, width, points = 2, 3, 5, 24
    embeddings = draw(layers, count, width).float().requires_grad_()
    features = draw(width, 8, 12, seed=4).float().requires_grad_()
    logits = torch.einsum("lnc,chw->lnhw", embeddings, features)
    targets = (draw(count, 16, 24, seed=1) > 0).float()
    weight = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0]])
    bce, dice = matched_mask_losses(embeddings, features, targets, points, torch.Generator().manual_seed(3))
    found = torch.autograd.grad(((bce + 2 * dice) * weight).sum(), (embeddings, features))

    where = uncertain_points(logits.detach().transpose(0, 1), points, torch.Generator().manual_seed(3)).of_masks()
    total = torch.zeros(())
    for layer in range(layers):
        for target in range(count):
            at = where[target, layer][None]
            mask = sample_points(logits[layer, target][None, None], at)[0, 0]
            truth = sample_points(targets[target][None, None], at)[0, 0]
            torch.testing.assert_close(bce[layer, target], bce_loss(mask, truth))
            torch.testing.assert_close(dice[layer, target], dice_loss(mask, truth))
            total = total + weight[layer, target] * (bce_loss(mask, truth) + 2 * dice_loss(mask, truth))
    for mine, other in zip(found, torch.autograd.grad(total, (embeddings, features)), strict=True):
        torch.testing.assert_close(mine, other)


def test_points_stand_for_the_whole_mask():
    """A target at another resolution over the same area, and many points: nearly the loss of all pixels."""
    features = torch.linspace(-4, 4, 12).expand(1, 8, 12).contiguous()
    embeddings = torch.ones(1, 1, 1)
    truth = (torch.linspace(-4, 4, 48) > 0).float().expand(1, 32, 48).contiguous()
    bce, _ = matched_mask_losses(embeddings, features, truth, 4000, torch.Generator().manual_seed(0))
    swapped, _ = matched_mask_losses(embeddings, features, 1 - truth, 4000, torch.Generator().manual_seed(0))
    assert bce < 0.5 < 0.9 < swapped
