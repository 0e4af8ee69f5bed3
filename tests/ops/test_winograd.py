from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seemkit.nn.pixel_decoder import Convolution3x3
from seemkit.ops import winograd


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@settings(deadline=None, max_examples=60)
@given(st.tuples(*(st.integers(1, most) for most in (3, 5, 21, 21, 5))), st.booleans(), st.booleans())
def test_it_is_the_convolution(sizes, biased, last):
    batch, channels, height, width, count = sizes
    maps = drawn(batch, channels, height, width, dtype=torch.float64)
    maps = maps.contiguous(memory_format=torch.channels_last) if last else maps
    kernels, bias = drawn(count, channels, 3, 3, seed=1, dtype=torch.float64), drawn(count, seed=2, dtype=torch.float64)
    found = winograd.convolve(maps, kernels, bias if biased else None)
    torch.testing.assert_close(found, F.conv2d(maps, kernels, bias if biased else None, padding=1), atol=1e-11, rtol=0)


def test_more_tiles_than_are_worked_on_at_once():
    maps, kernels = drawn(1, 2, 70, 300, dtype=torch.float64), drawn(3, 2, 3, 3, seed=1, dtype=torch.float64)
    expected = F.conv2d(maps, kernels, padding=1)
    torch.testing.assert_close(winograd.convolve(maps, kernels), expected, atol=1e-11, rtol=0)


def test_it_rounds_in_the_sixth_digit():
    """Torch's own errs by 2e-7 to 2e-6 of the largest value, by processor; the usual points would by 8e-6."""
    maps, kernels = drawn(1, 512, 32, 32).relu(), drawn(512, 512, 3, 3, seed=1) / 68
    exact = F.conv2d(maps.double(), kernels.double(), padding=1)
    assert (winograd.convolve(maps, kernels) - exact).abs().max() < 5e-6 * exact.abs().max()


CASES = ["inference", "training", "few channels", "few cells", "half precision", "autocast", "compiling"]


@pytest.mark.parametrize("case", CASES)
def test_where_it_is_used(case, monkeypatch):
    used = []
    original = winograd.convolve
    monkeypatch.setattr(winograd, "convolve", lambda *given: used.append(1) or original(*given))
    dtype = torch.bfloat16 if case == "half precision" else torch.float32
    channels, height = 64 if case == "few channels" else 256, 20 if case == "few cells" else 33
    convolution, maps = Convolution3x3(channels, 256).to(dtype), drawn(1, channels, height, 34, dtype=dtype)
    with torch.set_grad_enabled(case == "training"), torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        plain = F.conv2d(maps, convolution.weight, convolution.bias, padding=1)
        if case == "compiling":
            convolution = torch.compile(convolution, backend="eager", fullgraph=True)
        found = convolution(maps)
    torch.compiler.reset()
    assert bool(used) is (case == "inference")
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)
