from __future__ import annotations

import pytest
import torch

from seemkit.postprocess.semantic import semantic_map


def test_known_answer():
    class_probabilities = torch.tensor([[0.6, 0.2, 0.2], [0.1, 0.3, 0.6]])
    masks = torch.tensor([[[0.0, -100.0]], [[-100.0, 100.0]]])
    # the scores are 0.3 and 0.1 at the first pixel, 0.1 and 0.3 at the second
    assert semantic_map(class_probabilities, masks).tolist() == [[0, 1]]


@pytest.mark.parametrize("block", [1, 400, 1 << 20])
def test_blocks_do_not_matter(block, monkeypatch):
    monkeypatch.setattr("seemkit.postprocess.semantic.BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn((7, 5), generator=generator).softmax(dim=1)
    masks = 4 * torch.randn((7, 23, 31), generator=generator)
    scores = torch.einsum("qk,qhw->khw", probabilities[:, :-1], masks.sigmoid())
    assert torch.equal(semantic_map(probabilities, masks), scores.argmax(dim=0))


def test_equals_official(golden):
    assert torch.equal(semantic_map(golden.probabilities, golden.masks), golden.semantic.argmax(dim=0))
