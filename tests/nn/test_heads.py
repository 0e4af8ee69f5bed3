from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from seemkit.nn.heads import PredictionHeads, cosine_similarity, mask_logits


def test_resizing_and_the_dot_product_commute():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(2, 5, 8, generator=generator)
    features = torch.randn(2, 8, 16, 24, generator=generator)

    def resize(maps: torch.Tensor) -> torch.Tensor:
        return F.interpolate(maps, size=(5, 7), mode="bilinear", align_corners=False)

    after, before = resize(mask_logits(embeddings, features)), mask_logits(embeddings, resize(features))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


def test_mask_logits_are_dot_products():
    generator = torch.Generator().manual_seed(1)
    embeddings, features = torch.randn(1, 3, 4, generator=generator), torch.randn(1, 4, 2, 5, generator=generator)
    found = mask_logits(embeddings, features)
    for n in range(3):
        for y in range(2):
            for x in range(5):
                expected = sum(float(embeddings[0, n, c]) * float(features[0, c, y, x]) for c in range(4))
                assert found[0, n, y, x].item() == pytest.approx(expected, abs=1e-5)


def test_cosine_similarity_ignores_length_and_guards_zero():
    queries = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])
    texts = torch.tensor([[1.0, 0.0], [0.0, 7.0], [-2.0, 0.0]])
    found = cosine_similarity(queries, texts, torch.tensor(10.0))
    torch.testing.assert_close(found, torch.tensor([[[6.0, 8.0, -6.0], [0.0, 0.0, 0.0]]]), atol=1e-5, rtol=0)


def test_heads_read_normalized_tokens():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        heads, tokens = PredictionHeads(8, 6, 5), torch.randn(2, 3, 8)
    classes, masks = heads.classes(tokens), heads.masks(tokens)
    assert (classes.shape, masks.shape) == ((2, 3, 6), (2, 3, 5))
    scaled = tokens * 3 + 2  # a layer norm takes both away
    torch.testing.assert_close(heads.masks(scaled), masks, atol=1e-4, rtol=0)
    torch.testing.assert_close(heads.classes(scaled), classes, atol=1e-4, rtol=0)
    normed = (tokens - tokens.mean(-1, keepdim=True)) / (tokens.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(classes, normed @ heads.class_projection, atol=1e-5, rtol=0)
    assert math.isclose(heads.norm.eps, 1e-5)
