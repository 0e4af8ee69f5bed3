from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from seemkit.losses.group_losses import Targets, class_choice, mask_terms
from seemkit.losses.hungarian import UNMATCHED
from seemkit.losses.mask import bce_loss, dice_loss
from seemkit.losses.matching import choice_cost, class_cost, match, share_points
from seemkit.losses.weights import GroupWeights, LossWeights
from seemkit.ops.points import sample_points, uncertain_points
from tests.losses.test_group_losses import LABELS, TARGETS, VALID, draw, log_softmax

COSTS = LossWeights().cost


def generators(seed: int) -> list[torch.Generator]:
    """One for each of two images."""
    return [torch.Generator().manual_seed(2 * seed + image) for image in range(2)]


def match_and_measure(choice, embeddings, features, targets, points, drawn, weights=COSTS, copies=0):
    """The matches, and the terms of their masks."""
    shared = share_points(features, points, drawn)
    queries = match(choice, embeddings, targets, shared, weights, copies)
    return queries, *mask_terms(embeddings, features, targets, queries, points, drawn)


def test_costs_are_negative_probabilities():
    logits, scores = draw(2, 2, 5, 4), draw(2, 2, 3, 5, seed=1)
    classes, choices = class_cost(logits, TARGETS), choice_cost(scores)
    assert classes.shape == choices.shape == (2, 2, 5, 3)
    for layer, image, query, target in torch.cartesian_prod(*map(torch.arange, classes.shape)).tolist():
        row = log_softmax(logits[layer, image, query].tolist())
        expected = math.exp(row[LABELS[image, target]])
        assert -classes[layer, image, query, target].item() == pytest.approx(expected, abs=1e-5)
        row = log_softmax(scores[layer, image, target].tolist())
        assert -choices[layer, image, query, target].item() == pytest.approx(math.exp(row[query]), abs=1e-5)


def full_resolution(
    choice: torch.Tensor, embeddings: torch.Tensor, features: torch.Tensor, seed: int, points: int, copies: int
) -> tuple[torch.Tensor, torch.Tensor, list[list[list[int]]]]:
    """Mask losses and matches as the reference computes them: first the masks of all queries, then pair by pair."""
    masks = torch.einsum("lbqc,bchw->lbqhw", embeddings, features)
    bce, dice, matches = torch.zeros(()), torch.zeros(()), []
    drawn = [(torch.rand((1, points, 2), generator=generator), generator) for generator in generators(seed)]
    for image, (common, generator) in enumerate(drawn):
        count = int(VALID[image].sum())
        truth = TARGETS.masks[image, :count].float()
        found = []
        for layer in range(len(masks)):
            cost = torch.full((masks.shape[2], count), float("inf"))
            for query, target in torch.cartesian_prod(torch.arange(len(cost)), torch.arange(count)).tolist():
                if not copies or query // copies == target:
                    mask = sample_points(masks[layer, image, query][None, None], common)[0, 0]
                    there = sample_points(truth[target][None, None], common)[0, 0]
                    both = 5 * bce_loss(mask, there) + 5 * dice_loss(mask, there)
                    cost[query, target] = 2 * choice[layer, image, query, target] + both
            rows, columns = linear_sum_assignment(cost.detach().numpy())
            found.append([int(rows[columns.tolist().index(target)]) for target in range(count)])
        picked = torch.stack([
            torch.stack([masks[layer, image, row[target]] for layer, row in enumerate(found)])
            for target in range(count)
        ])  # fmt: skip
        where = uncertain_points(picked.detach(), points, generator).of_masks()
        for target, layer in torch.cartesian_prod(torch.arange(count), torch.arange(len(masks))).tolist():
            logits = sample_points(picked[target, layer][None, None], where[target, layer][None])[0, 0]
            there = sample_points(truth[target][None, None], where[target, layer][None])[0, 0]
            bce, dice = bce + bce_loss(logits, there), dice + dice_loss(logits, there)
        matches.append(found)
    return bce, dice, matches


@pytest.mark.parametrize("copies", [0, 2])
def test_match_equals_the_full_resolution_and_so_do_its_gradients(copies):
    layers, count, width, points = 2, 6, 5, 40
    embeddings = draw(layers, 2, count, width).double().requires_grad_()
    features = draw(2, width, 8, 12, seed=1).double().requires_grad_()
    choice = -draw(layers, 2, count, 3, seed=2).softmax(2)
    queries, bce, dice = match_and_measure(
        choice, embeddings.float(), features.float(), TARGETS, points, generators(7), copies=copies
    )
    wanted_bce, wanted_dice, matches = full_resolution(choice, embeddings.float(), features.float(), 7, points, copies)
    for image, wanted in enumerate(matches):
        valid = int(VALID[image].sum())
        assert queries[:, image, :valid].tolist() == wanted
        assert bool((queries[:, image, valid:] == UNMATCHED).all())
    assert bce.divisor.item() == dice.divisor.item() == VALID.sum()
    torch.testing.assert_close(bce.total[0], wanted_bce, atol=0, rtol=1e-5)
    torch.testing.assert_close(dice.total[0], wanted_dice, atol=0, rtol=1e-5)
    ours = torch.autograd.grad((bce.total + 3 * dice.total).sum(), (embeddings, features))
    theirs = torch.autograd.grad(wanted_bce + 3 * wanted_dice, (embeddings, features))
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).norm() <= 1e-5 * other.norm()


def test_match_finds_the_right_masks():
    """Each target is a channel of the features, and one query has it."""
    masks = torch.zeros(1, 3, 8, 12)
    for index in range(3):
        masks[0, index, :, 4 * index : 4 * index + 4] = 1
    targets = Targets(masks > 0, torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 3, dtype=torch.int64))
    embeddings, choice = torch.zeros(1, 1, 5, 3), torch.zeros(1, 1, 5, 3)
    for query, target in ((4, 0), (1, 1), (2, 2)):
        embeddings[0, 0, query, target] = 1

    def both(weights: GroupWeights):
        drawn = [torch.Generator().manual_seed(0)]
        return match_and_measure(choice, embeddings, 20 * masks - 10, targets, 200, drawn, weights)

    queries, bce, _ = both(COSTS)
    assert queries.tolist() == [[[4, 1, 2]]]
    choice[0, 0, 0] = -100  # a choice that is certain outweighs the masks
    other, worse, _ = both(COSTS)
    assert 0 in other[0, 0].tolist()
    assert bce.mean < worse.mean
    assert both(GroupWeights(0.0, 5.0, 5.0))[0].tolist() == [[[4, 1, 2]]]  # unless it has no weight


def test_what_an_image_gets_does_not_depend_on_the_batch():
    choice, embeddings, features = -draw(1, 2, 6, 3).softmax(2), draw(1, 2, 6, 5), draw(2, 5, 8, 12, seed=1)
    _, both, _ = match_and_measure(choice, embeddings, features, TARGETS, 40, generators(1))
    parts = []
    for image, count in enumerate((3, 1)):
        row = slice(image, image + 1)
        own = Targets(TARGETS.masks[row, :count], VALID[row, :count], LABELS[row, :count])
        alone = choice[:, row, :, :count], embeddings[:, row], features[row], own, 40, generators(1)[row]
        parts.append(match_and_measure(*alone)[1].total)
    torch.testing.assert_close(both.total, parts[0] + parts[1])
    _, other, _ = match_and_measure(choice, embeddings, features, TARGETS, 40, generators(2))
    assert not torch.equal(both.total, other.total)


def test_without_targets_there_is_no_mask_loss():
    nothing = Targets(
        torch.zeros(2, 1, 16, 24, dtype=torch.bool),
        torch.zeros(2, 1, dtype=torch.bool),
        torch.zeros(2, 1, dtype=torch.int64),
    )
    queries, bce, dice = match_and_measure(
        torch.zeros(1, 2, 6, 1), draw(1, 2, 6, 5), draw(2, 5, 8, 12), nothing, 40, generators(0)
    )
    assert (bce.mean.item(), dice.mean.item()) == (0, 0)
    assert class_choice(draw(1, 2, 6, 4), queries, nothing).mean.item() > 0  # all queries should say background
