from __future__ import annotations

import math

import pytest
import torch

from seemkit.losses.group_losses import Targets, class_choice, hide_absent, label_loss, query_choice
from seemkit.losses.hungarian import UNMATCHED


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def log_softmax(row: list[float]) -> list[float]:
    top = max(row)
    total = math.log(sum(math.exp(x - top) for x in row)) + top
    return [x - total for x in row]


LABELS = torch.tensor([[2, 0, 1], [1, 0, 0]])
VALID = torch.tensor([[True, True, True], [True, False, False]])
TARGETS = Targets(draw(2, 3, 16, 24) > 0, VALID, LABELS)
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


def test_nobody_chooses_a_query_of_padding():
    scores = draw(1, 3, 3, 6)
    valid = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    found = hide_absent(scores, valid, 2)
    hidden = found.isinf()
    assert not hidden[0, 0].any()
    assert hidden[0, 1].tolist() == [[False, False, True, True, True, True]] * 3
    assert not hidden[0, 2].any()  # nothing to choose, so nothing to hide, which would make a NaN
    assert torch.equal(found[~hidden], scores[~hidden])
    assert bool(found.softmax(-1).isfinite().all())


def test_an_images_factor_weighs_its_choice():
    scores = draw(2, 2, 3, 5)
    first, second = (query_choice(scores[:, i : i + 1], QUERIES[:, i : i + 1]).mean for i in range(2))
    both = query_choice(scores, QUERIES, torch.tensor([1.0, 0.25])).mean
    assert both.item() == pytest.approx(((first + 0.25 * second) / 2).item())
