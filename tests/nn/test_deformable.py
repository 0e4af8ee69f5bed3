from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from seemkit.nn.deformable import DeformableAttention, DeformablePixelDecoder
from seemkit.nn.position import pixel_centers
from seemkit.types import Size

SHAPES = [Size(2, 3), Size(4, 6), Size(8, 12)]
CELLS = sum(math.prod(shape) for shape in SHAPES)


@pytest.fixture(scope="module")
def attention() -> DeformableAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = DeformableAttention(16, num_heads=2, points=2).eval()
        for parameter in found.parameters():
            parameter.data.add_(torch.randn(parameter.shape), alpha=0.3)
    return found


def bilinear(plane: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """The plane [c, H, W] at cell coordinates (0 is the first cell's center), zero outside."""
    left, top = math.floor(x), math.floor(y)
    total = torch.zeros(plane.shape[0])
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        if 0 <= row < plane.shape[1] and 0 <= column < plane.shape[2]:
            total = total + plane[:, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


@torch.no_grad()
def test_attention_written_cell_by_cell(attention):
    generator = torch.Generator().manual_seed(1)
    queries, values = torch.randn(2, 1, CELLS, 16, generator=generator)
    like = {"device": queries.device, "dtype": queries.dtype}
    centers = torch.cat([pixel_centers(*shape, **like).flatten(0, 1) for shape in SHAPES])
    found = attention(queries, centers, values, SHAPES)

    projected = F.linear(values, attention.value_projection.weight, attention.value_projection.bias)[0]
    planes = [
        part.T.unflatten(1, tuple(shape)) for part, shape in zip(projected.split([6, 24, 96]), SHAPES, strict=True)
    ]
    for cell in (0, 5, 17, 29, 30, 100, CELLS - 1):
        offsets = attention.offsets(queries[0, cell]).reshape(2, 3, 2, 2)
        weights = attention.weights(queries[0, cell]).reshape(2, 6).softmax(-1).reshape(2, 3, 2)
        read = []
        for head in range(2):
            total = torch.zeros(8)
            for level, shape in enumerate(SHAPES):
                for point in range(2):
                    x = centers[cell, 0] * shape.width - 0.5 + offsets[head, level, point, 0]
                    y = centers[cell, 1] * shape.height - 0.5 + offsets[head, level, point, 1]
                    plane = planes[level][head * 8 : head * 8 + 8]
                    total = total + weights[head, level, point] * bilinear(plane, float(x), float(y))
            read.append(total)
        expected = attention.output_projection(torch.cat(read))
        torch.testing.assert_close(found[0, cell], expected, atol=1e-5, rtol=1e-4)


def test_first_offsets_point_in_each_head_s_direction():
    start = DeformableAttention(16, num_heads=4, points=3).offsets.bias.data.reshape(4, 3, 3, 2)
    for level in range(3):
        for point in range(3):
            reach = point + 1.0
            expected = torch.tensor([[reach, 0.0], [0.0, reach], [-reach, 0.0], [0.0, -reach]])
            torch.testing.assert_close(start[:, level, point], expected, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def decoder() -> DeformablePixelDecoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DeformablePixelDecoder((4, 6, 8, 10), 32, 12, num_heads=4, ffn_dim=16, layers=2).eval()


@pytest.fixture
def features() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, c, 16 >> i, 24 >> i, generator=generator) for i, c in enumerate((4, 6, 8, 10))]


@torch.no_grad()
def test_levels_are_coarsest_first(decoder, features):
    found = decoder(features)
    assert [tuple(level.shape) for level in found.levels] == [(2, 32, 2, 3), (2, 32, 4, 6), (2, 32, 8, 12)]
    assert found.mask_features.shape == (2, 12, 16, 24)


@torch.no_grad()
def test_the_finest_map_reaches_only_the_mask_features(decoder, features):
    before = decoder(features)
    after = decoder([features[0] + 1, *features[1:]])
    assert all(torch.equal(a, b) for a, b in zip(before.levels, after.levels, strict=True))
    assert not torch.equal(before.mask_features, after.mask_features)


@torch.no_grad()
def test_a_batch_equals_its_images_alone(decoder, features):
    both = decoder(features)
    for image in range(2):
        alone = decoder([feature[image : image + 1] for feature in features])
        torch.testing.assert_close(both.mask_features[image : image + 1], alone.mask_features, atol=1e-5, rtol=1e-5)
