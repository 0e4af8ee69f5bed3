from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from seemkit.losses import criterion
from seemkit.losses.criterion import (
    Criterion,
    GroupWeights,
    Targets,
    choice_cost,
    class_choice,
    class_cost,
    hide_absent,
    label_loss,
    query_choice,
)
from seemkit.losses.hungarian import UNMATCHED
from seemkit.losses.mask import bce_loss, dice_loss
from seemkit.ops.points import sample_points, uncertain_points


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def log_softmax(row: list[float]) -> list[float]:
    top = max(row)
    total = math.log(sum(math.exp(x - top) for x in row)) + top
    return [x - total for x in row]


LABELS = torch.tensor([[2, 0, 1], [1, 0, 0]])
VALID = torch.tensor([[True, True, True], [True, False, False]])
TARGETS = Targets(draw(2, 3, 16, 24) > 0, VALID, LABELS)
COSTS = Criterion().cost


def generators(seed: int) -> list[torch.Generator]:
    """One for each of two images."""
    return [torch.Generator().manual_seed(2 * seed + image) for image in range(2)]


QUERIES = torch.tensor([[[4, 0, 2], [3, UNMATCHED, UNMATCHED]], [[1, UNMATCHED, 0], [0, UNMATCHED, UNMATCHED]]])


def test_class_choice_is_the_weighted_mean_over_all_queries():
    logits = draw(2, 2, 5, 4)  # three classes and the background
    expected = 0.0
    for layer in range(2):
        total, weights = 0.0, 0.0
        for image in range(2):
            wanted = dict(zip(QUERIES[layer, image].tolist(), LABELS[image].tolist(), strict=True))
            for query in range(5):
                label = wanted.get(query, 3)
                weight = 0.1 if label == 3 else 1.0
                total -= weight * log_softmax(logits[layer, image, query].tolist())[label]
                weights += weight
        expected += total / weights
    assert class_choice(logits, QUERIES, TARGETS).mean.item() == pytest.approx(expected, abs=1e-5)


def test_query_choice_is_the_mean_of_an_image_then_of_images():
    scores = draw(2, 2, 3, 5)
    expected = 0.0
    for layer in range(2):
        images = []
        for image in range(2):
            terms = [
                -log_softmax(scores[layer, image, target].tolist())[query]
                for target, query in enumerate(QUERIES[layer, image].tolist())
                if query != UNMATCHED
            ]
            images.append(sum(terms) / len(terms))
        expected += sum(images) / len(images)
    assert query_choice(scores, QUERIES).mean.item() == pytest.approx(expected, abs=1e-5)


def test_images_without_a_target_do_not_count():
    scores, queries = draw(1, 2, 3, 5), QUERIES[:1].clone()
    queries[:, 0] = UNMATCHED
    alone = query_choice(scores[:, 1:], queries[:, 1:])
    assert query_choice(scores, queries).mean.item() == pytest.approx(alone.mean.item())
    queries[:] = UNMATCHED
    assert query_choice(scores, queries).mean.item() == 0


def test_label_loss_is_the_mean_over_pairs():
    logits, terms = draw(2, 2, 5, 4), ([], [])
    for layer, image, target in (QUERIES != UNMATCHED).nonzero().tolist():
        row = logits[layer, image, QUERIES[layer, image, target]].tolist()
        terms[layer].append(-log_softmax(row)[int(LABELS[image, target])])
    expected = sum(sum(of_layer) / len(of_layer) for of_layer in terms)
    assert label_loss(logits, QUERIES, TARGETS).mean.item() == pytest.approx(expected, abs=1e-5)
    assert label_loss(logits, torch.full_like(QUERIES, UNMATCHED), TARGETS).mean.item() == 0


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


def test_nobody_chooses_a_query_of_padding():
    scores = draw(1, 3, 3, 6)
    valid = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    found = hide_absent(scores, valid, 2)
    hidden = found.isinf()
    assert not hidden[0, 0].any()
    assert hidden[0, 1].tolist() == [[False, False, True, True, True, True]] * 3
    assert not hidden[0, 2].any()  # nothing to choose, so nothing to hide, which would make a NaN
    assert torch.equal(found[~hidden], scores[~hidden])
    assert bool(choice_cost(found).isfinite().all())


def full_resolution(
    choice: torch.Tensor, embeddings: torch.Tensor, features: torch.Tensor, seed: int, points: int, copies: int
) -> tuple[torch.Tensor, torch.Tensor, list[list[list[int]]]]:
    """Mask losses and matches as the reference computes them: first the masks of all queries, then pair by pair."""
    masks = torch.einsum("lbqc,bchw->lbqhw", embeddings, features)
    bce, dice, matches = torch.zeros(()), torch.zeros(()), []
    for image, generator in enumerate(generators(seed)):
        count = int(VALID[image].sum())
        truth = TARGETS.masks[image, :count].float()
        shared = torch.rand((1, points, 2), generator=generator)
        found = []
        for layer in range(len(masks)):
            cost = torch.full((masks.shape[2], count), float("inf"))
            for query, target in torch.cartesian_prod(torch.arange(len(cost)), torch.arange(count)).tolist():
                if not copies or query // copies == target:
                    mask = sample_points(masks[layer, image, query][None, None], shared)[0, 0]
                    there = sample_points(truth[target][None, None], shared)[0, 0]
                    both = 5 * bce_loss(mask, there) + 5 * dice_loss(mask, there)
                    cost[query, target] = 2 * choice[layer, image, query, target] + both
            rows, columns = linear_sum_assignment(cost.detach().numpy())
            found.append([int(rows[columns.tolist().index(target)]) for target in range(count)])
        picked = torch.stack([masks[layer, image, query] for layer, row in enumerate(found) for query in row])
        where = uncertain_points(picked.detach(), points, generator)
        for place, mask in enumerate(picked):
            logits = sample_points(mask[None, None], where[place][None])[0, 0]
            there = sample_points(truth[place % count][None, None], where[place][None])[0, 0]
            bce, dice = bce + bce_loss(logits, there), dice + dice_loss(logits, there)
        matches.append(found)
    return bce, dice, matches


@pytest.mark.parametrize("copies", [0, 2])
def test_match_equals_the_full_resolution_and_so_do_its_gradients(copies):
    layers, queries, width, points = 2, 6, 5, 40
    embeddings = draw(layers, 2, queries, width).double().requires_grad_()
    features = draw(2, width, 8, 12, seed=1).double().requires_grad_()
    choice = -draw(layers, 2, queries, 3, seed=2).softmax(2)
    found = criterion.match(choice, embeddings.float(), features.float(), TARGETS, points, generators(7), COSTS, copies)
    bce, dice, matches = full_resolution(choice, embeddings.float(), features.float(), 7, points, copies)
    for image, wanted in enumerate(matches):
        count = int(VALID[image].sum())
        assert found.queries[:, image, :count].tolist() == wanted
        assert bool((found.queries[:, image, count:] == UNMATCHED).all())
    assert found.bce.divisor.item() == found.dice.divisor.item() == VALID.sum()
    torch.testing.assert_close(found.bce.total[0], bce, atol=0, rtol=1e-5)
    torch.testing.assert_close(found.dice.total[0], dice, atol=0, rtol=1e-5)
    ours = torch.autograd.grad((found.bce.total + 3 * found.dice.total).sum(), (embeddings, features))
    theirs = torch.autograd.grad(bce + 3 * dice, (embeddings, features))
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

    def match(weights: GroupWeights) -> criterion.Matched:
        features, generator = 20 * masks - 10, torch.Generator().manual_seed(0)
        return criterion.match(choice, embeddings, features, targets, 200, [generator], weights)

    found = match(COSTS)
    assert found.queries.tolist() == [[[4, 1, 2]]]
    choice[0, 0, 0] = -100  # a choice that is certain outweighs the masks
    other = match(COSTS)
    assert 0 in other.queries[0, 0].tolist()
    assert found.bce.mean < other.bce.mean
    assert match(GroupWeights(0.0, 5.0, 5.0)).queries.tolist() == [[[4, 1, 2]]]  # unless it has no weight


def test_what_an_image_gets_does_not_depend_on_the_batch():
    choice, embeddings, features = -draw(1, 2, 6, 3).softmax(2), draw(1, 2, 6, 5), draw(2, 5, 8, 12, seed=1)
    both = criterion.match(choice, embeddings, features, TARGETS, 40, generators(1), COSTS)
    second = Targets(TARGETS.masks[1:, :1], VALID[1:, :1], LABELS[1:, :1])
    alone = criterion.match(choice[:, 1:, :, :1], embeddings[:, 1:], features[1:], second, 40, generators(1)[1:], COSTS)
    first = Targets(TARGETS.masks[:1], VALID[:1], LABELS[:1])
    rest = criterion.match(choice[:, :1], embeddings[:, :1], features[:1], first, 40, generators(1)[:1], COSTS)
    torch.testing.assert_close(both.bce.total, alone.bce.total + rest.bce.total)
    other = criterion.match(choice, embeddings, features, TARGETS, 40, generators(2), COSTS)
    assert not torch.equal(both.bce.total, other.bce.total)


def test_without_targets_there_is_no_mask_loss():
    nothing = Targets(
        torch.zeros(2, 1, 16, 24, dtype=torch.bool),
        torch.zeros(2, 1, dtype=torch.bool),
        torch.zeros(2, 1, dtype=torch.int64),
    )
    embeddings = draw(1, 2, 6, 5).requires_grad_()
    found = criterion.match(torch.zeros(1, 2, 6, 1), embeddings, draw(2, 5, 8, 12), nothing, 40, generators(0), COSTS)
    assert (found.bce.mean.item(), found.dice.mean.item()) == (0, 0)
    assert class_choice(draw(1, 2, 6, 4), found.queries, nothing).mean.item() > 0  # all queries should say background


def test_an_images_factor_weighs_its_choice():
    scores = draw(2, 2, 3, 5)
    first, second = (query_choice(scores[:, i : i + 1], QUERIES[:, i : i + 1]).mean for i in range(2))
    both = query_choice(scores, QUERIES, torch.tensor([1.0, 0.25])).mean
    assert both.item() == pytest.approx(((first + 0.25 * second) / 2).item())
