"""Memory layout of feature maps."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def channels_last(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Return the same maps with the channels of a cell adjacent in memory, with strides that convolutions recognize.

    For a single image torch calls other strides channels last too, but its convolutions treat those as channels first.
    """
    batch, channels, height, width = maps.shape
    return maps.permute(0, 2, 3, 1).flatten().view(batch, height, width, channels).permute(0, 3, 1, 2)
