from __future__ import annotations

import pytest
import torch

from seemkit.postprocess.instance import instances


def test_known_answer():
    class_probabilities = torch.tensor([[0.2, 0.7, 0.1], [0.9, 0.05, 0.05], [0.6, 0.1, 0.3]])
    masks = torch.tensor([[[9.0, 9.0]], [[0.0, -1.0]], [[100.0, -100.0]]])
    result = instances(class_probabilities, masks, things=(True, False), limit=4)
    # the limit keeps 0.9, 0.7 (stuff, left out), 0.6 and 0.2; the query of 0.9 has an empty mask
    assert result.labels.tolist() == [0, 0, 0]
    assert result.scores.tolist() == pytest.approx([0.6, 0.2 * torch.tensor(9.0).sigmoid().item(), 0], abs=1e-6)
    assert result.masks.tolist() == [[[True, False]], [[True, True]], [[False, False]]]


def test_limit_above_the_number_of_pairs():
    assert len(instances(torch.rand(2, 3), torch.randn(2, 4, 5), (True, True)).scores) == 4


def test_equals_official(golden):
    result = instances(golden.probabilities, golden.masks, golden.things, limit=golden.facts["topk"])
    order = golden.inst_scores.sort(descending=True, stable=True).indices
    torch.testing.assert_close(result.scores, golden.inst_scores[order], rtol=0, atol=1e-5)
    assert torch.equal(result.labels, golden.inst_classes[order])
    assert torch.equal(result.masks, golden.inst_masks[order])
