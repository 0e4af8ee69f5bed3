"""FocalNet as a feature pyramid, in the two forms with which SEEM was trained, built from timm's parts.

timm's own FocalNet has no norm per level and no block with depthwise convolutions, and its stem pads by 2.
Source: Yang et al., Focal Modulation Networks (arXiv 2203.11926).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from timm.layers.norm import LayerNorm2d
from timm.models.focalnet import Downsample, FocalNetBlock
from torch import Tensor, nn

from seemkit.nn.backbones.mlp import compute_in_parts
from seemkit.nn.recompute import Blocks


class _Norm(LayerNorm2d):
    """timm's norm over channels, with the epsilon of the published models."""

    def __init__(self, channels: int, **placement: Any) -> None:  # noqa: ANN401 (timm's device and dtype)
        super().__init__(channels, eps=1e-5, **placement)


class FocalBlock(FocalNetBlock):
    """Focal modulation, then a feed-forward layer; each is followed by a norm and added to its input."""

    def __init__(self, embed_dim: int, focal_level: int) -> None:
        super().__init__(
            embed_dim,
            focal_level=focal_level,
            focal_window=3,
            use_post_norm=True,
            normalize_modulator=True,
            norm_layer=_Norm,
        )


class DepthwiseFocalBlock(FocalBlock):
    """A focal block with a depthwise convolution before each half, and with its norms after the sums."""

    def __init__(self, embed_dim: int, focal_level: int) -> None:
        super().__init__(embed_dim, focal_level)
        self.dw1 = nn.Conv2d(embed_dim, embed_dim, 3, padding=1, groups=embed_dim)
        self.dw2 = nn.Conv2d(embed_dim, embed_dim, 3, padding=1, groups=embed_dim)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the map after the block."""
        x = x + self.dw1(x)
        x = self.norm1_post(x + self.ls1(self.modulation(x)))
        x = x + self.dw2(x)
        return self.norm2_post(x + self.ls2(self.mlp(x)))


class FocalStage(nn.Module):
    """A downsampling by 2 (except in the first stage), then blocks."""

    def __init__(self, channels: int | None, embed_dim: int, depth: int, focal_level: int, *, depthwise: bool) -> None:
        super().__init__()
        halve = Downsample(channels, embed_dim, stride=2, overlap=True, norm_layer=_Norm) if channels else nn.Identity()
        self.downsample = halve
        block = DepthwiseFocalBlock if depthwise else FocalBlock
        self.blocks = Blocks(*(block(embed_dim, focal_level) for _ in range(depth)))

    def forward(self, x: Float[Tensor, "B c H W"]) -> Float[Tensor, "B C h w"]:
        """Return the map after the stage."""
        return self.blocks(self.downsample(x))


class FocalNet(nn.Module):
    """FocalNet that returns one map per stage, finest first; each map has a norm that the next stage does not see.

    Args:
        embed_dim: channels of the first map; each further map has twice as many.
        depths: number of blocks of each stage.
        focal_level: levels of focal modulation.
        depthwise: True for the form with depthwise convolutions (Focal-T), False for the plain form (Focal-L), whose
            norms come before the residual sums and whose stem pads by 2.

    Attributes:
        channels: channels of each map.
        strides: stride of each map.
    """

    def __init__(
        self, embed_dim: int = 96, depths: Sequence[int] = (2, 2, 6, 2), focal_level: int = 3, *, depthwise: bool = True
    ) -> None:
        super().__init__()
        self.channels = [embed_dim * 2**i for i in range(len(depths))]
        self.strides = [4 * 2**i for i in range(len(depths))]
        self.stem = Downsample(3, embed_dim, stride=4, overlap=True, norm_layer=_Norm)
        if depthwise:
            self.stem.proj.padding = (3, 3)
        self.stages = nn.ModuleList(
            FocalStage(before, after, depth, focal_level, depthwise=depthwise)
            for before, after, depth in zip([None, *self.channels], self.channels, depths, strict=False)
        )
        self.norms = nn.ModuleList(_Norm(channels) for channels in self.channels)
        compute_in_parts(self)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the maps [B, C, H / stride, W / stride], finest first."""
        x, maps = self.stem(images), []
        for stage, norm in zip(self.stages, self.norms, strict=True):
            x = stage(x)
            maps.append(norm(x))
        return maps
