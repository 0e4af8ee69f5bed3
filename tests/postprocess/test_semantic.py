from __future__ import annotations

import torch

from seemkit.postprocess.semantic import semantic_map, semantic_scores


def test_known_answer():
    class_probabilities = torch.tensor([[0.6, 0.2, 0.2], [0.1, 0.3, 0.6]])
    masks = torch.tensor([[[0.0, -100.0]], [[-100.0, 100.0]]])
    torch.testing.assert_close(semantic_scores(class_probabilities, masks), torch.tensor([[[0.3, 0.1]], [[0.1, 0.3]]]))
    assert semantic_map(class_probabilities, masks).tolist() == [[0, 1]]


def test_equals_official(golden):
    scores = semantic_scores(golden.probabilities, golden.masks)
    torch.testing.assert_close(scores, golden.semantic, rtol=0, atol=1e-5)
    assert torch.equal(semantic_map(golden.probabilities, golden.masks), golden.semantic.argmax(dim=0))
