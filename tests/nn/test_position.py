from __future__ import annotations

import math

import pytest
import torch

from seemkit.nn.position import pixel_centers, sine_position


@pytest.mark.parametrize(("height", "width", "channels"), [(3, 5, 8), (7, 2, 12), (1, 1, 4)])
def test_sine_position_is_the_formula(height, width, channels):
    found = sine_position(height, width, channels, device=torch.device("cpu"), dtype=torch.float64)
    half = channels // 2
    for row in range(height):
        for column in range(width):
            for channel in range(channels):
                place, length = (row, height) if channel < half else (column, width)
                j = channel % half
                angle = (place + 1) / (length + 1e-6) * 2 * math.pi / 10000 ** (2 * (j // 2) / half)
                expected = math.sin(angle) if j % 2 == 0 else math.cos(angle)
                assert found[channel, row, column].item() == pytest.approx(expected, abs=1e-12)


def test_pixel_centers():
    found = pixel_centers(2, 4, device=torch.device("cpu"), dtype=torch.float32)
    assert found[0].tolist() == [[0.125, 0.25], [0.375, 0.25], [0.625, 0.25], [0.875, 0.25]]
    assert found[:, 0].tolist() == [[0.125, 0.25], [0.125, 0.75]]
