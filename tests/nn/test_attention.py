from __future__ import annotations

import pytest
import torch

from seemkit.nn.attention import LEAST_KEYS, Attention

WIDTH, HEADS = 24, 3


@pytest.fixture
def attention() -> Attention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Attention(WIDTH, HEADS)
        torch.nn.init.normal_(module.in_proj_bias)
        torch.nn.init.normal_(module.out_proj.bias)
    return module


@pytest.mark.parametrize("masked", [False, True])
def test_equals_torch_with_the_same_weights(attention, masked):
    reference = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    reference.load_state_dict(attention.state_dict())
    generator = torch.Generator().manual_seed(1)
    queries, keys, values = (torch.randn(2, n, WIDTH, generator=generator) for n in (5, 7, 7))
    allowed = (torch.rand(2, 5, 7, generator=generator) < 0.4) | (torch.arange(7) == 3)
    blocked = ~allowed.repeat_interleave(HEADS, dim=0)
    expected = reference(queries, keys, values, attn_mask=blocked if masked else None)[0]
    found = attention(queries, attention.project(keys, values), allowed if masked else None)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_what_is_not_allowed_has_no_effect(attention):
    generator = torch.Generator().manual_seed(2)
    queries, keys = torch.randn(1, 2, WIDTH, generator=generator), torch.randn(1, 6, WIDTH, generator=generator)
    allowed = torch.tensor([[[True, True, False, False, True, True], [False, False, True, True, False, False]]])
    other = keys.clone()
    other[:, 2:4] += 5
    before = attention(queries, attention.project(keys, keys), allowed)
    after = attention(queries, attention.project(other, other), allowed)
    torch.testing.assert_close(before[:, 0], after[:, 0], atol=1e-6, rtol=0)
    assert (before[:, 1] - after[:, 1]).abs().max() > 0.1


@pytest.mark.parametrize(
    ("case", "left_out"),
    [
        ("small object", True),
        ("large object", False),
        ("few queries", False),
        ("two images", False),
        ("training", False),
    ],
)
def test_keys_that_nobody_reads_are_left_out_where_it_pays(case, left_out, attention, monkeypatch):
    generator = torch.Generator().manual_seed(3)
    images, rows = 2 if case == "two images" else 1, 3 if case == "few queries" else 20
    queries, keys = (torch.randn(images, n, WIDTH, generator=generator) for n in (rows, LEAST_KEYS))
    read = torch.rand(images, 1, LEAST_KEYS, generator=generator) < (0.7 if case == "large object" else 0.4)
    allowed = read & (torch.rand(images, rows, LEAST_KEYS, generator=generator) < 0.9)
    counts, original = [], torch.nn.functional.scaled_dot_product_attention

    def counted(queries, keys, *given, **options):
        counts.append(keys.shape[2])
        return original(queries, keys, *given, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    with torch.set_grad_enabled(case == "training"):
        found = attention(queries, attention.project(keys, keys), allowed)
        monkeypatch.setattr("seemkit.nn.attention.LEAST_KEYS", LEAST_KEYS + 1)
        expected = attention(queries, attention.project(keys, keys), allowed)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert counts == [int(allowed[0].any(dim=0).sum()) if left_out else LEAST_KEYS, LEAST_KEYS]
