from __future__ import annotations

import numpy as np
import pytest
import torch

from seemkit.errors import InputError
from seemkit.metrics.miou import MeanIoU, confusion_matrix


def test_known_answer_over_two_images():
    metric = MeanIoU(4)
    metric.update(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 0, 0, -1]]))
    metric.update(torch.tensor([[1, 2, 3]]), torch.tensor([[1, 1, 1]]))
    # class 0: 2 of 3; class 1: 1 of 4 (one false positive, two missed); 2 and 3 are absent from the ground truth
    result = metric.compute()
    assert result["miou"].item() == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert result["fwiou"].item() == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert result["pixel_accuracy"].item() == pytest.approx(3 / 6)
    assert metric.per_class().isnan().tolist() == [False, False, True, True]


def test_ignored_pixels_may_have_any_prediction():
    matrix = confusion_matrix(torch.tensor([[255, 0]]), torch.tensor([[-1, 0]]), 2)
    assert matrix.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(("predicted", "target"), [([[2]], [[0]]), ([[0]], [[255]]), ([[-1]], [[0]])])
def test_label_outside_its_range(predicted, target):
    with pytest.raises(InputError, match=r"not all in 0\.\.1"):
        MeanIoU(2).update(torch.tensor(predicted), torch.tensor(target))


def test_maps_of_different_size():
    with pytest.raises(ValueError, match="label maps differ"):
        MeanIoU(2).update(torch.zeros(2, 3), torch.zeros(3, 2))


def test_nothing_labeled_is_nan():
    metric = MeanIoU(2)
    metric.update(torch.zeros(1, 2, dtype=torch.int64), torch.full((1, 2), -1))
    assert metric.compute()["miou"].isnan()


@pytest.mark.parametrize("seed", range(100))
def test_equals_naive_loop(seed):
    generator = np.random.default_rng(seed)
    metric, pairs = MeanIoU(5), []
    for height, width in ((6, 7), (4, 9), (5, 5)):
        predicted, target = generator.integers(0, 5, (height, width)), generator.integers(-1, 4, (height, width))
        metric.update(torch.tensor(predicted), torch.tensor(target))
        pairs += list(zip(predicted.flatten(), target.flatten(), strict=True))
    pairs = [(p, t) for p, t in pairs if t >= 0]
    ious, weights = [], []
    for label in range(5):
        in_target = sum(t == label for _, t in pairs)
        if in_target:
            union = sum(label in pair for pair in pairs)
            ious.append(sum(p == t == label for p, t in pairs) / union)
            weights.append(in_target / len(pairs))
    result = metric.compute()
    assert result["miou"].item() == pytest.approx(np.mean(ious), abs=1e-12)
    assert result["fwiou"].item() == pytest.approx(np.dot(ious, weights), abs=1e-12)
    assert result["pixel_accuracy"].item() == pytest.approx(np.mean([p == t for p, t in pairs]), abs=1e-12)
