"""Four maps from the one map of a plain vision transformer.

Source: Li et al., Exploring Plain Vision Transformer Backbones for Object Detection (arXiv 2203.16527), section 3.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

WIDTHS = (128, 256, 512, 1024)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels)


def _double(channels: int) -> list[nn.Module]:
    """Return layers that double the resolution and halve the channels."""
    return [nn.ConvTranspose2d(channels, channels // 2, 2, stride=2), _norm(channels // 2)]


def _finish(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 1), _norm(width), nn.GELU()]


class SimplePyramid(nn.Module):
    """Layers that turn a map of stride 16 into maps of strides 4, 8, 16 and 32.

    Args:
        channels: channels of the map of stride 16.

    Attributes:
        channels: channels of each map of the pyramid.
        strides: stride of each map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter, eighth, sixteenth, coarsest = WIDTHS
        self.channels = list(WIDTHS)
        self.strides = [4, 8, 16, 32]
        self.branches = nn.ModuleList(
            nn.Sequential(*layers)
            for layers in (
                [*_double(channels), nn.GELU(), *_double(channels // 2), *_finish(channels // 4, quarter)],
                [*_double(channels), *_finish(channels // 2, eighth)],
                _finish(channels, sixteenth),
                [
                    nn.Conv2d(channels, 2 * channels, 2, stride=2),
                    _norm(2 * channels),
                    *_finish(2 * channels, coarsest),
                ],
            )
        )

    def forward(self, features: Float[Tensor, "B C h w"]) -> list[Tensor]:
        """Return the maps, finest first."""
        return [branch(features) for branch in self.branches]
