"""Positions of cells: the sine embedding of a grid and the centers of its cells."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def sine_position(
    height: int, width: int, channels: int, *, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "C H W"]:
    """Return the DETR sine embedding of a grid: the first half of the channels for y, the second for x.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        channels: C, divisible by 4.
        device: device of the result.
        dtype: dtype of the result.

    Source: Carion et al., End-to-End Object Detection with Transformers (2020), normalized to 2 pi, temperature 10000.
    """
    count, exact = channels // 2, torch.promote_types(dtype, torch.float32)
    index = torch.arange(count, device=device, dtype=exact)
    frequency = 10000 ** (2 * torch.div(index, 2, rounding_mode="floor") / count)

    def embed(length: int) -> Tensor:
        steps = torch.arange(1, length + 1, device=device, dtype=exact) / (length + 1e-6) * (2 * math.pi)
        angle = steps[:, None] / frequency
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1).T.to(dtype)

    rows = embed(height)[:, :, None].expand(-1, -1, width)
    columns = embed(width)[:, None, :].expand(-1, height, -1)
    return torch.cat((rows, columns))


def pixel_centers(height: int, width: int, *, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "H W 2"]:
    """Return the (x, y) center of each cell of a grid, as fractions 0..1 of width and height."""
    y = (torch.arange(height, device=device, dtype=dtype) + 0.5) / height
    x = (torch.arange(width, device=device, dtype=dtype) + 0.5) / width
    return torch.stack((x[None, :].expand(height, -1), y[:, None].expand(-1, width)), dim=2)
