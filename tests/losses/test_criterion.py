from __future__ import annotations

import math

import pytest
import torch

from seemkit.losses import criterion
from seemkit.losses.criterion import (
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
TARGETS = Targets((draw(2, 3, 16, 24) > 0).float(), VALID, LABELS)
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
    assert class_choice(logits, QUERIES, TARGETS).item() == pytest.approx(expected, abs=1e-5)


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
    assert query_choice(scores, QUERIES).item() == pytest.approx(expected, abs=1e-5)


def test_images_without_a_target_do_not_count():
    scores, queries = draw(1, 2, 3, 5), QUERIES[:1].clone()
    queries[:, 0] = UNMATCHED
    alone = query_choice(scores[:, 1:], queries[:, 1:])
    assert query_choice(scores, queries).item() == pytest.approx(alone.item())
    queries[:] = UNMATCHED
    assert query_choice(scores, queries).item() == 0


def test_label_loss_is_the_mean_over_pairs():
    logits, terms = draw(2, 2, 5, 4), []
    for layer, image, target in (QUERIES != UNMATCHED).nonzero().tolist():
        row = logits[layer, image, QUERIES[layer, image, target]].tolist()
        terms.append(-log_softmax(row)[int(LABELS[image, target])])
    expected = sum(terms) / len(terms) * 2
    assert label_loss(logits, QUERIES, TARGETS).item() == pytest.approx(expected, abs=1e-5)
    assert label_loss(logits, torch.full_like(QUERIES, UNMATCHED), TARGETS).item() == 0


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
    choice: torch.Tensor,
    embeddings: torch.Tensor,
    features: torch.Tensor,
    queries: torch.Tensor,
    seed: int,
    points: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask losses as the reference computes them: all masks first, then points, one pair at a time."""
    masks = torch.einsum("lbqc,bchw->lbqhw", embeddings, features)
    generator = torch.Generator().manual_seed(seed)
    torch.rand((len(features), points, 2), generator=generator)  # the matcher's points are drawn first
    picked = torch.stack([
        masks[layer, image, query] for layer, image, query in
        ((i, j, max(q, 0)) for i, of in enumerate(queries.tolist()) for j, row in enumerate(of) for q in row)
    ])  # fmt: skip
    where = uncertain_points(picked.detach(), points, generator)
    bce, dice = torch.zeros(()), torch.zeros(())
    for place, (layer, image, target) in enumerate(torch.cartesian_prod(*map(torch.arange, queries.shape)).tolist()):
        if queries[layer, image, target] != UNMATCHED:
            mask = sample_points(picked[place][None, None], where[place][None])[0, 0]
            truth = sample_points(TARGETS.masks[image, target][None, None], where[place][None])[0, 0]
            bce, dice = bce + bce_loss(mask, truth), dice + dice_loss(mask, truth)
    return bce, dice


@pytest.mark.parametrize("copies", [0, 2])
def test_match_equals_the_full_resolution_and_so_do_its_gradients(copies):
    layers, queries, width, points = 2, 6, 5, 40
    embeddings = draw(layers, 2, queries, width).requires_grad_()
    features = draw(2, width, 8, 12, seed=1).requires_grad_()
    choice = -draw(layers, 2, queries, 3, seed=2).softmax(2)
    found = criterion.match(choice, embeddings, features, TARGETS, points, torch.Generator().manual_seed(7), copies)
    assert (found.queries == UNMATCHED).tolist() == [(~VALID).tolist()] * layers
    bce, dice = full_resolution(choice, embeddings, features, found.queries, 7, points)
    torch.testing.assert_close(found.bce, bce, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.dice, dice, atol=1e-4, rtol=1e-4)
    ours = torch.autograd.grad(found.bce + 3 * found.dice, (embeddings, features))
    theirs = torch.autograd.grad(bce + 3 * dice, (embeddings, features))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-3)
    if copies:
        owner = torch.div(found.queries, copies, rounding_mode="floor")[:, VALID]
        assert owner.tolist() == [torch.arange(3).expand(2, 3)[VALID].tolist()] * layers


def test_match_finds_the_right_masks():
    """Each target is a channel of the features, and one query has it."""
    masks = torch.zeros(1, 3, 8, 12)
    for index in range(3):
        masks[0, index, :, 4 * index : 4 * index + 4] = 1
    targets = Targets(masks, torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 3, dtype=torch.int64))
    embeddings, choice = torch.zeros(1, 1, 5, 3), torch.zeros(1, 1, 5, 3)
    for query, target in ((4, 0), (1, 1), (2, 2)):
        embeddings[0, 0, query, target] = 1
    features = 20 * masks - 10
    found = criterion.match(choice, embeddings, features, targets, 200, torch.Generator().manual_seed(0))
    assert found.queries.tolist() == [[[4, 1, 2]]]
    choice[0, 0, 0] = -100  # a choice that is certain outweighs the masks
    other = criterion.match(choice, embeddings, features, targets, 200, torch.Generator().manual_seed(0))
    assert 0 in other.queries[0, 0].tolist()
    assert found.bce < other.bce


def test_match_repeats_with_its_generator():
    arguments = -draw(1, 2, 6, 3).softmax(2), draw(1, 2, 6, 5), draw(2, 5, 8, 12, seed=1), TARGETS, 40
    first, second, other = (criterion.match(*arguments, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first.bce, second.bce)
    assert not torch.equal(first.bce, other.bce)


def test_without_targets_there_is_no_mask_loss():
    nothing = Targets(
        torch.zeros(2, 1, 16, 24), torch.zeros(2, 1, dtype=torch.bool), torch.zeros(2, 1, dtype=torch.int64)
    )
    embeddings = draw(1, 2, 6, 5).requires_grad_()
    found = criterion.match(
        torch.zeros(1, 2, 6, 1), embeddings, draw(2, 5, 8, 12), nothing, 40, torch.Generator().manual_seed(0)
    )
    assert (found.bce.item(), found.dice.item()) == (0, 0)
    choice = class_choice(draw(1, 2, 6, 4), found.queries, nothing)
    assert choice.item() > 0  # all queries should say background
    assert not torch.autograd.grad(found.bce + found.dice, embeddings)[0].any()
