"""How maps lie in memory."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def channels_last(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """The same maps with the channels of a cell side by side, and the strides by which convolutions know it.

    Of a single image torch calls other strides channels last too, which its convolutions take for channels first.
    """
    batch, channels, height, width = maps.shape
    return maps.permute(0, 2, 3, 1).flatten().view(batch, height, width, channels).permute(0, 3, 1, 2)
