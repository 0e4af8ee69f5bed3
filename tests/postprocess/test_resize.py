from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seemkit.postprocess import resize
from seemkit.postprocess.resize import restore, restore_rows
from seemkit.types import Size


@pytest.mark.parametrize(("name", "original"), [("up_90_123", Size(90, 123)), ("down_31_37", Size(31, 37))])
def test_equals_official(golden, name, original):
    result = restore(golden.masks, padded=Size(48, 64), size=Size(45, 60), original=original)
    expected = getattr(golden, name)  # of all masks or of the first few
    torch.testing.assert_close(result[: len(expected)], expected, rtol=0, atol=1e-4)


def test_steps():
    masks = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    padded, size, original = Size(32, 32), Size(30, 24), Size(50, 40)
    enlarged = F.interpolate(masks[None], padded, mode="bilinear", align_corners=False)[..., :30, :24]
    for mode in ("bicubic", "bilinear"):
        wanted = F.interpolate(enlarged, original, mode=mode, align_corners=False, antialias=mode == "bicubic")[0]
        assert torch.equal(restore(masks, padded, size, original, mode), wanted)
    assert torch.equal(restore(masks, padded, size, size), enlarged[0])


def test_same_size_is_the_same_tensor():
    masks, size = torch.randn(2, 8, 9), Size(8, 9)
    assert torch.equal(restore(masks, size, size, size), masks)


def test_no_mask():
    assert restore(torch.zeros(0, 8, 8), Size(32, 32), Size(30, 24), Size(50, 40)).shape == (0, 50, 40)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_back_single(dtype):
    masks = torch.randn(1, 8, 8, dtype=dtype)
    result = restore(masks, Size(32, 32), Size(30, 24), Size(50, 40))
    assert torch.equal(result, restore(masks.float(), Size(32, 32), Size(30, 24), Size(50, 40)))


@pytest.mark.parametrize("original", [Size(45, 60), Size(90, 123), Size(31, 37), Size(45, 61), Size(200, 60)])
@pytest.mark.parametrize("at_once", [1, 700, 1 << 23])
def test_rows_are_those_of_the_whole(original, at_once, monkeypatch):
    masks = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(resize, "BLOCK", at_once)
    blocks = list(restore_rows(masks, Size(64, 64), Size(45, 60), original))
    assert len(blocks) == {1: original.height, 1 << 23: 1}.get(at_once, len(blocks))
    whole = restore(masks, Size(64, 64), Size(45, 60), original)
    torch.testing.assert_close(torch.cat(blocks, dim=1), whole, atol=1e-5, rtol=1e-5)
    if original == Size(45, 60):
        assert torch.equal(torch.cat(blocks, dim=1), whole)
    half = list(restore_rows(masks.bfloat16(), Size(64, 64), Size(45, 60), original))
    assert half[0].dtype == torch.float32
