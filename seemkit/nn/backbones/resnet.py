"""A small residual network as a feature pyramid, with timm's parameter names.

timm has the same network, but importing timm takes three seconds, too long for a command with a small model.

Sources: He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385). The three convolutions of the stem
and the averaging shortcut are those of ResNet-D: He et al., Bag of Tricks for Image Classification with Convolutional
Neural Networks (arXiv 1812.01187).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.nn.recompute import Blocks


def _convolution(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride, padding=1, bias=False)


def _shortcut(before: int, after: int, stride: int) -> nn.Module:
    """Return the shortcut of a block: its input, averaged and projected if the shape changes."""
    if stride == 1 and before == after:
        return nn.Identity()
    halve = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(halve, nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions, added to the input."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(before, after, stride), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = _convolution(after, after), nn.BatchNorm2d(after)
        self.downsample = _shortcut(before, after, stride)

    def forward(self, x: Float[Tensor, "B c H W"]) -> Float[Tensor, "B C h w"]:
        """Return the map after the block."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x), inplace=True)


def _stage(before: int, after: int, stride: int, depth: int) -> Blocks:
    return Blocks(BasicBlock(before, after, stride), *(BasicBlock(after, after, 1) for _ in range(depth - 1)))


class ResNet(nn.Module):
    """ResNet that returns five maps of strides 2 to 32, finest first.

    Args:
        channels: channels of the maps of strides 4 to 32.
        stem: channels inside the stem; the map of stride 2 has twice as many.
        depths: number of blocks of each stage.

    Attributes:
        channels: channels of each of the five maps.
        strides: stride of each map.
    """

    def __init__(
        self, channels: Sequence[int] = (64, 128, 256, 512), stem: int = 32, depths: Sequence[int] = (1, 1, 1, 1)
    ) -> None:
        super().__init__()
        self.channels = [2 * stem, *channels]
        self.strides = [2 * 2**i for i in range(len(self.channels))]
        self.conv1 = nn.Sequential(
            *(_convolution(3, stem, 2), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)),
            *(_convolution(stem, stem), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)),
            _convolution(stem, 2 * stem),
        )
        self.bn1 = nn.BatchNorm2d(2 * stem)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        sizes = zip(self.channels[:-1], channels, (1, 2, 2, 2), depths, strict=True)
        self.layer1, self.layer2, self.layer3, self.layer4 = (_stage(*size) for size in sizes)
        self._draw()

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the maps [B, C, H / stride, W / stride], finest first."""
        maps = [F.relu(self.bn1(self.conv1(images)), inplace=True)]
        x = self.maxpool(maps[0])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def _draw(self) -> None:
        """Initialize the weights; every block starts as its shortcut."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for module in self.modules():
            if isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)
