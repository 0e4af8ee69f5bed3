from __future__ import annotations

import math

import pytest
import torch

from seemkit.losses.alignment import RegionAlignment
from seemkit.losses.criterion import Targets

WIDTH = 6
VECTORS = torch.eye(WIDTH)  # one direction for each class, the last for the background
LABELS = torch.tensor([[0, 1, 2], [3, 4, 0]])
NOTHING = torch.zeros(0, dtype=torch.int64)


@pytest.fixture
def aligner() -> RegionAlignment:
    module = RegionAlignment([WIDTH, WIDTH], WIDTH)
    with torch.no_grad():
        for projection in module.projections:
            projection.weight.copy_(torch.eye(WIDTH))
            projection.bias.zero_()
    return module


@pytest.fixture
def targets() -> Targets:
    """Three regions side by side in image 0, two in image 1."""
    masks = torch.zeros(2, 3, 16, 24)
    for index in range(3):
        masks[:, index, :, 8 * index : 8 * index + 8] = 1
    masks[1, 2] = 0
    return Targets(masks, torch.tensor([[True] * 3, [True, True, False]]), LABELS)


def painted(targets: Targets, vectors: torch.Tensor) -> list[torch.Tensor]:
    """Features at two levels that are, in each region, the vector of its class."""
    finest = torch.einsum("bnhw,bnc->bchw", targets.masks, vectors[targets.labels])
    return [torch.nn.functional.avg_pool2d(finest, 4), torch.nn.functional.avg_pool2d(finest, 2)]


def loss(aligner, targets, features, meant: list[tuple[int, int]], said: list[int]):
    image, region = (torch.tensor(column) for column in zip(*meant, strict=True))
    return aligner(features, targets, VECTORS, 3 * VECTORS[said], image, region)


MEANT, SAID = [(0, 2), (0, 0), (1, 1)], [2, 0, 4]


def test_perfect_features_cost_little_and_shuffled_ones_much(aligner, targets):
    perfect = loss(aligner, targets, painted(targets, VECTORS), MEANT, SAID)
    assert perfect.classes < 1e-4
    assert perfect.phrases < 1e-4
    shuffled = loss(aligner, targets, painted(targets, VECTORS.roll(1, 0)), MEANT, SAID)
    assert shuffled.classes > 10
    assert shuffled.phrases > 5
    wrong_words = loss(aligner, targets, painted(targets, VECTORS), MEANT, [0, 2, 3])
    assert wrong_words.phrases > 10
    assert wrong_words.classes == perfect.classes


def test_features_without_meaning_cost_the_logarithm_of_the_choices(aligner, targets):
    found = loss(aligner, targets, [torch.ones(2, WIDTH, 4, 6), torch.ones(2, WIDTH, 8, 12)], MEANT, SAID)
    assert found.classes.item() == pytest.approx(math.log(WIDTH - 1), abs=1e-5)  # the background is no choice
    # among the regions of the own image, without padding: 3, 3 and 2
    assert found.phrases.item() == pytest.approx((2 * math.log(3) + math.log(2)) / 3, abs=1e-5)


def test_a_region_is_the_mean_of_the_cells_it_covers(aligner):
    """A mask edge inside a cell counts by the share of the cell."""
    masks = torch.zeros(1, 1, 8, 8)
    masks[0, 0, :5, :6] = 1  # of cells 4 x 4: one whole, one by half, one by a quarter, one by an eighth
    targets = Targets(masks, torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.int64))
    feature = torch.randn(1, WIDTH, 2, 2, generator=torch.Generator().manual_seed(0))
    shares = torch.tensor([[1.0, 0.5], [0.25, 0.125]])
    mean = (feature * shares).sum((2, 3)) / shares.sum()
    cosines = 14.0 * torch.nn.functional.normalize(mean, dim=1)[0, :-1]
    expected = cosines.logsumexp(0) - cosines[0]
    found = aligner([feature, feature], targets, VECTORS, VECTORS[:0], NOTHING, NOTHING)
    assert found.classes.item() == pytest.approx(expected.item(), abs=1e-5)


def test_gradients_reach_features_and_projections(aligner, targets):
    features = [f.requires_grad_() for f in painted(targets, VECTORS.roll(1, 0))]
    found = loss(aligner, targets, features, MEANT, SAID)
    (found.classes + found.phrases).backward()
    assert all(feature.grad.any() for feature in features)
    assert all(p.grad.any() for p in aligner.parameters())


def test_without_phrases(aligner, targets):
    found = aligner(painted(targets, VECTORS), targets, VECTORS, VECTORS[:0], NOTHING, NOTHING)
    assert found.phrases.item() == 0


def test_without_regions(aligner):
    """A batch of images whose segments are all crowds."""
    nothing = Targets(
        torch.zeros(2, 1, 16, 24), torch.zeros(2, 1, dtype=torch.bool), torch.zeros(2, 1, dtype=torch.int64)
    )
    found = aligner([torch.ones(2, WIDTH, 4, 6)] * 2, nothing, VECTORS, VECTORS[:0], NOTHING, NOTHING)
    assert found.classes.item() == 0
    assert found.phrases.item() == 0
