from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seemkit.nn.region_head import RegionHead

WIDTHS, TEXT = (3, 5), 4


@pytest.fixture
def head() -> RegionHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RegionHead(WIDTHS, TEXT, gain=2.5)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


MAPS = [draw(2, 3, 6), draw(2, 5, 24, seed=1)]
LOGITS = [draw(2, 7, 6, seed=2), draw(2, 7, 24, seed=3)]


def test_embeds_the_weighted_mean(head):
    weights = [logit.sigmoid() for logit in LOGITS]
    for level, found in enumerate(head.embed(MAPS, weights)):
        assert found.shape == (2, 7, TEXT)
        for image in range(2):
            for region in range(7):
                share = weights[level][image, region]
                mean = (MAPS[level][image] * share).sum(dim=1) / share.sum()
                expected = F.normalize(head.projections[level](mean), dim=0)
                torch.testing.assert_close(found[image, region], expected, atol=1e-5, rtol=0)


def test_evidence_is_the_mean_over_maps_under_the_masks(head):
    vectors = head.embed(MAPS, [logit.sigmoid() for logit in LOGITS])
    torch.testing.assert_close(head(MAPS, LOGITS), 2.5 * (vectors[0] + vectors[1]) / 2)


def test_an_empty_region_is_finite(head):
    assert bool(head.embed(MAPS, [torch.zeros_like(logit) for logit in LOGITS])[0].isfinite().all())


def test_features_and_weights_learn_but_masks_do_not(head):
    maps, logits = [m.clone().requires_grad_() for m in MAPS], [logit.clone().requires_grad_() for logit in LOGITS]
    head(maps, logits)[..., 0].sum().backward()
    assert all(m.grad.any() for m in maps)
    assert all(p.grad.any() for p in head.parameters())
    assert [logit.grad for logit in logits] == [None, None]
