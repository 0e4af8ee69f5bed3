"""The pixel decoder with deformable attention over three levels, in plain torch.

Sources: Zhu et al., Deformable DETR (arXiv 2010.04159), section 4; used as a pixel decoder in Cheng et al., Mask2Former
(arXiv 2112.01527), section 3.2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.nn.attention import FeedForward
from seemkit.nn.pixel_decoder import GROUPS, ConvNorm, Pyramid
from seemkit.nn.position import pixel_centers, sine_position
from seemkit.types import Size

LEVELS = 3


class DeformableAttention(nn.Module):
    """Each cell reads a few points near itself on every level, at learned offsets with learned weights.

    Args:
        embed_dim: C, channels.
        num_heads: attention heads; divides `embed_dim`.
        points: points that each head reads on each level.
    """

    def __init__(self, embed_dim: int, num_heads: int, points: int = 4) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.points = points
        self.offsets = nn.Linear(embed_dim, num_heads * LEVELS * points * 2)
        self.weights = nn.Linear(embed_dim, num_heads * LEVELS * points)
        self.value_projection = nn.Linear(embed_dim, embed_dim)
        self.output_projection = nn.Linear(embed_dim, embed_dim)
        self._begin()

    def _begin(self) -> None:
        """Initialize: each head looks in its own direction, with point k at k + 1 cells; all weights are equal."""
        angle = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        direction = torch.stack((angle.cos(), angle.sin()), dim=-1)
        direction = direction / direction.abs().amax(dim=-1, keepdim=True)
        reach = torch.arange(1, self.points + 1)[:, None]
        start = (direction[:, None, None] * reach).expand(-1, LEVELS, -1, -1)
        nn.init.zeros_(self.offsets.weight)
        self.offsets.bias.data.copy_(start.flatten())
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        for projection in (self.value_projection, self.output_projection):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(
        self,
        queries: Float[Tensor, "B M C"],
        centers: Float[Tensor, "M 2"],
        values: Float[Tensor, "B M C"],
        shapes: Sequence[Size],
    ) -> Float[Tensor, "B M C"]:
        """Return what each cell reads.

        Args:
            queries: cells of all levels in a row, position included.
            centers: (x, y) of each cell as fractions of the image.
            values: the cells to read, without position.
            shapes: height and width of each level.
        """
        batch, cells, _ = queries.shape
        values = self.value_projection(values).unflatten(2, (self.num_heads, -1))
        offsets = self.offsets(queries).unflatten(2, (self.num_heads, LEVELS, self.points, 2))
        weights = self.weights(queries).unflatten(2, (self.num_heads, -1)).softmax(dim=-1)
        weights = weights.unflatten(3, (LEVELS, self.points))
        read = queries.new_zeros(batch * self.num_heads, values.shape[-1], cells)
        for index, (level, shape) in enumerate(
            zip(values.split([math.prod(s) for s in shapes], 1), shapes, strict=True)
        ):
            plane = level.permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, tuple(shape))  # [B heads, c, H, W]
            place = centers[:, None, None] + offsets[:, :, :, index] / offsets.new_tensor([shape.width, shape.height])
            grid = (2 * place - 1).transpose(1, 2).flatten(0, 1)  # [B heads, M, points, 2]
            found = F.grid_sample(plane, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
            share = weights[:, :, :, index].transpose(1, 2).flatten(0, 1)  # [B heads, M, points]
            read = read + (found * share[:, None]).sum(dim=-1)
        return self.output_projection(read.unflatten(0, (batch, self.num_heads)).flatten(1, 2).transpose(1, 2))


class DeformableLayer(nn.Module):
    """Deformable attention and a feed-forward layer, post-norm."""

    def __init__(self, embed_dim: int, num_heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(embed_dim, num_heads)
        self.norm = nn.LayerNorm(embed_dim)
        self.feed_forward = FeedForward(embed_dim, ffn_dim)

    def forward(self, cells: Tensor, position: Tensor, centers: Tensor, shapes: Sequence[Size]) -> Tensor:
        """Return the cells [B, M, C] after the layer."""
        return self.feed_forward(self.norm(cells + self.attention(cells + position, centers, cells, shapes)))


class DeformablePixelDecoder(nn.Module):
    """Pixel decoder that turns backbone features into a pyramid and mask features.

    The encoder works on the three coarser levels together.

    Args:
        channels: channels of the four backbone maps, finest first.
        embed_dim: channels of the pyramid, divisible by 32.
        mask_dim: channels of the mask features.
        num_heads: attention heads.
        ffn_dim: channels inside the feed-forward layers.
        layers: number of encoder layers.
    """

    def __init__(
        self, channels: Sequence[int], embed_dim: int, mask_dim: int, *, num_heads: int, ffn_dim: int, layers: int
    ) -> None:
        super().__init__()
        finest, *coarser = channels
        self.inputs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, embed_dim, 1), nn.GroupNorm(GROUPS, embed_dim)) for c in reversed(coarser)
        )
        self.level_embedding = nn.Parameter(torch.randn(LEVELS, embed_dim))
        self.encoder = nn.ModuleList(DeformableLayer(embed_dim, num_heads, ffn_dim) for _ in range(layers))
        self.lateral = ConvNorm(finest, embed_dim, 1, activate=False)
        self.output = ConvNorm(embed_dim, embed_dim, 3, activate=True)
        self.mask_projection = nn.Conv2d(embed_dim, mask_dim, 1)

    def forward(self, features: Sequence[Tensor]) -> Pyramid:
        """Return the pyramid of `features` (finest first, as the backbone returns them)."""
        finest, *coarser = features
        levels = self._encode([project(f) for project, f in zip(self.inputs, reversed(coarser), strict=True)])
        up = F.interpolate(levels[-1], size=finest.shape[-2:], mode="bilinear", align_corners=False)
        return Pyramid(levels, self.mask_projection(self.output(self.lateral(finest) + up)))

    def _encode(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps after all layers, coarsest first."""
        shapes = [Size(m.shape[-2], m.shape[-1]) for m in maps]
        device, dtype = maps[0].device, maps[0].dtype
        position = torch.cat(
            [
                sine_position(*shape, maps[0].shape[1], device=device, dtype=dtype).flatten(1).T + embedding
                for shape, embedding in zip(shapes, self.level_embedding, strict=True)
            ]
        )[None]
        centers = torch.cat([pixel_centers(*shape, device=device, dtype=dtype).flatten(0, 1) for shape in shapes])
        cells = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1)
        for layer in self.encoder:
            cells = layer(cells, position, centers, shapes)
        parts = cells.split([math.prod(shape) for shape in shapes], dim=1)
        return [part.transpose(1, 2).unflatten(2, tuple(shape)) for part, shape in zip(parts, shapes, strict=True)]
