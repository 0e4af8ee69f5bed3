from __future__ import annotations

import math

import pytest
import torch

from seemkit.losses.alignment import AlignmentLoss, RegionAlignment, cell_shares
from seemkit.losses.group_losses import Targets
from seemkit.types import Size

CLASSES = 5
VECTORS = torch.eye(CLASSES, 6)
LABELS = torch.tensor([[0, 1, 2], [3, 4, 0]])
VALID = torch.tensor([[True, True, True], [True, True, False]])
TARGETS = Targets(torch.zeros(2, 3, 8, 8), VALID, LABELS)
IMAGE, REGION, SAID = torch.tensor([0, 0, 1]), torch.tensor([2, 0, 1]), [2, 0, 4]
NOTHING = torch.zeros(0, dtype=torch.int64)


@pytest.fixture
def aligner() -> RegionAlignment:
    """Its class vectors are unit vectors of different axes, times three."""
    module = RegionAlignment(6, CLASSES)
    with torch.no_grad():
        module.classes.weight.copy_(3 * VECTORS)
    return module


def means(aligner: RegionAlignment, *arguments) -> AlignmentLoss:
    """The losses, divided."""
    return AlignmentLoss(*(term.mean for term in aligner(*arguments)))


def regions(vectors: torch.Tensor) -> list[torch.Tensor]:
    """At two levels each region has the vector of its class."""
    return [vectors[LABELS]] * 2


def test_perfect_regions_cost_little(aligner):
    found = means(aligner, regions(VECTORS), TARGETS, VECTORS, 7 * VECTORS[SAID], IMAGE, REGION)
    assert all(loss < 1e-4 for loss in found)


def test_shuffled_regions_cost_much(aligner):
    found = means(aligner, regions(VECTORS.roll(1, 0)), TARGETS, VECTORS, VECTORS[SAID], IMAGE, REGION)
    assert found.regions > 10
    assert found.phrases > 5
    assert found.names < 1e-4


def test_shuffled_names_cost_much(aligner):
    found = means(aligner, regions(VECTORS), TARGETS, VECTORS.roll(1, 0), VECTORS[SAID], IMAGE, REGION)
    assert found.names > 10
    assert found.regions < 1e-4
    assert found.phrases < 1e-4


def test_phrases_for_other_regions_cost_much(aligner):
    found = means(aligner, regions(VECTORS), TARGETS, VECTORS, VECTORS[[0, 2, 3]], IMAGE, REGION)
    assert found.phrases > 10
    assert found.regions < 1e-4


def test_vectors_without_meaning_cost_the_logarithm_of_the_choices(aligner):
    blank = torch.zeros(6)
    blank[5] = 1  # as far from every class
    found = means(
        aligner, [blank.expand(2, 3, 6)], TARGETS, blank.expand(CLASSES, 6), blank.expand(3, 6), IMAGE, REGION
    )
    assert found.regions.item() == found.names.item() == pytest.approx(math.log(CLASSES), abs=1e-5)
    # among the regions of the own image, without padding: 3, 3 and 2
    assert found.phrases.item() == pytest.approx((2 * math.log(3) + math.log(2)) / 3, abs=1e-5)


def test_levels_are_averaged(aligner):
    right, wrong = VECTORS[LABELS], VECTORS.roll(1, 0)[LABELS]
    alone, both = (
        means(aligner, levels, TARGETS, VECTORS, VECTORS[SAID], IMAGE, REGION) for levels in ([wrong], [wrong, right])
    )
    assert both.regions.item() == pytest.approx(alone.regions.item() / 2, rel=1e-3)
    assert both.phrases.item() == pytest.approx(alone.phrases.item() / 2, rel=1e-3)


def test_gradients_reach_regions_texts_and_class_vectors(aligner):
    levels = [level.clone().requires_grad_() for level in regions(VECTORS.roll(1, 0))]
    names, sentences = VECTORS.roll(2, 0).clone().requires_grad_(), VECTORS[[1, 3, 0]].clone().requires_grad_()
    torch.stack(means(aligner, levels, TARGETS, names, sentences, IMAGE, REGION)).sum().backward()
    assert all(tensor.grad.any() for tensor in (*levels, names, sentences, aligner.classes.weight))
    assert not any(level.grad[1, 2].any() for level in levels)  # padding


def test_without_phrases(aligner):
    found = means(aligner, regions(VECTORS), TARGETS, VECTORS, VECTORS[:0], NOTHING, NOTHING)
    assert found.phrases.item() == 0


def test_without_regions(aligner):
    """A batch of images whose segments are all crowds."""
    nobody = Targets(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, dtype=torch.bool), torch.zeros(2, 1, dtype=torch.int64))
    found = means(aligner, [VECTORS[LABELS[:, :1]]], nobody, VECTORS, VECTORS[:0], NOTHING, NOTHING)
    assert found.regions.item() == 0
    assert found.phrases.item() == 0


def test_cell_shares():
    mask = torch.zeros(1, 1, 8, 8)
    mask[0, 0, :5, :6] = 1
    coarse, fine = cell_shares(mask, [Size(2, 2), Size(4, 4)])
    assert coarse.tolist() == [[[1.0, 0.5, 0.25, 0.125]]]
    assert fine[0, 0].view(4, 4).tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [0.5, 0.5, 0.5, 0], [0, 0, 0, 0]]
