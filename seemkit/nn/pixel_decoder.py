"""The pixel decoder: a transformer on the coarsest features and a top-down path with lateral connections.

Source: Cheng et al., MaskFormer (2021), section 3.3 and its transformer-encoder variant, as SEEM uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.nn.attention import Attention, FeedForward
from seemkit.nn.position import sine_position
from seemkit.ops import winograd
from seemkit.ops.memory_format import channels_last

GROUPS = 32


class Pyramid(NamedTuple):
    """The output of a pixel decoder.

    Attributes:
        levels: three maps [B, C, H / s, W / s], coarsest first (strides 32, 16, 8).
        mask_features: [B, C_mask, H / s, W / s] at the stride of the backbone's finest map, 4 or 2. Mask logits are the
            dot product of a mask embedding with these features.
    """

    levels: list[Tensor]
    mask_features: Tensor


class EncoderLayer(nn.Module):
    """One post-norm transformer layer over the cells of a feature map."""

    def __init__(self, embed_dim: int, num_heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.attention = Attention(embed_dim, num_heads)
        self.norm = nn.LayerNorm(embed_dim)
        self.feed_forward = FeedForward(embed_dim, ffn_dim)

    def forward(self, cells: Float[Tensor, "B M C"], position: Float[Tensor, "1 M C"]) -> Float[Tensor, "B M C"]:
        """Return the cells after the layer."""
        placed = cells + position
        cells = self.norm(cells + self.attention(placed, self.attention.project(placed, cells)))
        return self.feed_forward(cells)


class Convolution3x3(nn.Conv2d):
    """A 3 x 3 convolution that keeps the size."""

    def __init__(self, channels: int, embed_dim: int, *, bias: bool = True) -> None:
        super().__init__(channels, embed_dim, 3, padding=1, bias=bias)

    def forward(self, maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """Return the maps after the convolution, computed in the faster of two ways."""
        if winograd.pays(maps, self.weight):
            return winograd.convolve(maps, self.weight, self.bias)
        return super().forward(maps)


class ConvNorm(nn.Sequential):
    """A convolution without bias, a group norm and, if `activate`, a ReLU."""

    def __init__(self, channels: int, embed_dim: int, kernel: Literal[1, 3], *, activate: bool) -> None:
        super().__init__(
            nn.Conv2d(channels, embed_dim, 1, bias=False)
            if kernel == 1
            else Convolution3x3(channels, embed_dim, bias=False),
            nn.GroupNorm(GROUPS, embed_dim),
            nn.ReLU(inplace=True) if activate else nn.Identity(),
        )


class FineMasks(nn.Module):
    """Mask features at stride 2: each cell of stride 4 is split in four, and the backbone's first map adds detail.

    All convolutions have kernel 1, so this costs little. The reference has no such part.

    Args:
        channels: channels of the backbone's map of stride 2.
        embed_dim: channels of the finest pyramid map, divisible by 32.
        mask_dim: channels of the mask features.
    """

    def __init__(self, channels: int, embed_dim: int, mask_dim: int) -> None:
        super().__init__()
        self.split = nn.Conv2d(embed_dim, 4 * embed_dim, 1)
        self.lateral = ConvNorm(channels, embed_dim, 1, activate=False)
        self.projection = nn.Conv2d(embed_dim, mask_dim, 1)

    def forward(
        self, coarse: Float[Tensor, "B C H W"], detail: Float[Tensor, "B c 2*H 2*W"]
    ) -> Float[Tensor, "B Cm 2*H 2*W"]:
        """Return the mask features.

        Args:
            coarse: finest pyramid map, at stride 4.
            detail: backbone's map of stride 2.
        """
        return self.projection(F.relu(F.pixel_shuffle(self.split(coarse), 2) + self.lateral(detail)))


class PixelDecoder(nn.Module):
    """Pixel decoder that turns backbone features into a pyramid and mask features.

    Args:
        channels: channels of the backbone maps, finest first: four, of strides 4 to 32, or five, of strides 2 to 32.
        embed_dim: channels of the pyramid, divisible by 32.
        mask_dim: channels of the mask features.
        num_heads: attention heads of the encoder.
        ffn_dim: channels inside the encoder's feed-forward layers.
        layers: number of encoder layers.
        fine_masks: the first map only adds detail to the mask features (`FineMasks`), instead of being another level.
    """

    def __init__(
        self,
        channels: Sequence[int],
        embed_dim: int,
        mask_dim: int,
        *,
        num_heads: int,
        ffn_dim: int,
        layers: int,
        fine_masks: bool = False,
    ) -> None:
        super().__init__()
        if fine_masks:
            finest, *channels = channels
        self.input_projection = nn.Conv2d(channels[-1], embed_dim, 1)
        self.encoder = nn.ModuleList(EncoderLayer(embed_dim, num_heads, ffn_dim) for _ in range(layers))
        self.laterals = nn.ModuleList(ConvNorm(c, embed_dim, 1, activate=False) for c in channels[:-1])
        self.outputs = nn.ModuleList(ConvNorm(embed_dim, embed_dim, 3, activate=True) for _ in channels)
        self.mask_projection = (
            FineMasks(finest, embed_dim, mask_dim) if fine_masks else Convolution3x3(embed_dim, mask_dim)
        )
        self.fine_masks = fine_masks

    def forward(self, features: Sequence[Tensor]) -> Pyramid:
        """Return the pyramid of `features` (finest first, as the backbone returns them)."""
        features = [channels_last(feature) for feature in features]
        detail, features = (features[:1], features[1:]) if self.fine_masks else ((), features)
        merged = self.outputs[-1](self._encode(features[-1]))
        levels = [merged]
        for lateral, output, feature in zip(
            reversed(self.laterals), reversed(self.outputs[:-1]), reversed(features[:-1]), strict=True
        ):
            merged = _merge(lateral, output, feature, merged)
            levels.append(merged)
        return Pyramid(levels[:3], self.mask_projection(merged, *detail))

    def _encode(self, feature: Tensor) -> Tensor:
        projected = self.input_projection(feature)
        height, width = projected.shape[-2:]
        position = sine_position(height, width, projected.shape[1], device=feature.device, dtype=projected.dtype)
        cells = projected.flatten(2).transpose(1, 2)
        placed = position.flatten(1).T[None]
        for layer in self.encoder:
            cells = layer(cells, placed)
        return channels_last(cells.transpose(1, 2).unflatten(2, (height, width)))


def _merge(
    lateral: nn.Module, output: nn.Module, feature: Tensor, coarser: Float[Tensor, "B C h w"]
) -> Float[Tensor, "B C H W"]:
    """Return the next finer map of the pyramid; at most two maps of its size are in memory at a time."""
    merged: Tensor = lateral(feature)
    merged += F.interpolate(coarser, size=feature.shape[-2:], mode="nearest")
    for layer in output.children():  # calling `output` would keep its input in memory until it returns
        merged = layer(merged)
    return merged
