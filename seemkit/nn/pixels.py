"""Preparation of images for the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.ops.transfer import send
from seemkit.types import Size

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet's pixels, which most backbones are trained with."""


def normalize(
    images: Sequence[Tensor],
    sizes: Sequence[Size],
    multiple: int,
    like: Tensor,
    mean: Sequence[float] = PIXEL_MEAN,
    std: Sequence[float] = PIXEL_STD,
) -> Float[Tensor, "B 3 H W"]:
    """Return the images minus the mean, divided by the standard deviation, and padded with zeros to a common size.

    The padding is on the right and at the bottom. The memory format of the result is channels last.

    Args:
        images: tensors [3, H, W], RGB, 0..255.
        sizes: sizes of the images.
        multiple: divisor of the common height and width.
        like: tensor with the dtype and device of the result; half precision is applied only after the division.
        mean: mean of red, green and blue, 0..255.
        std: standard deviation of red, green and blue.
    """
    exact = torch.promote_types(like.dtype, torch.float32)
    center, scale = (send(torch.tensor(v, dtype=exact), like.device)[:, None, None] for v in (mean, std))
    height, width = (-(-max(side) // multiple) * multiple for side in zip(*sizes, strict=True))
    padded = [
        F.pad(((image.to(center) - center) / scale).to(like.dtype), (0, width - s.width, 0, height - s.height))
        for image, s in zip(images, sizes, strict=True)
    ]
    return torch.stack(padded).contiguous(memory_format=torch.channels_last)


def limit_side(image: Tensor, longest: int | None) -> Tensor:
    """Return an image [3, H, W], resized with antialiasing if its longer side exceeds `longest`; None is no limit."""
    if longest is None or max(image.shape[-2:]) <= longest:
        return image
    factor = longest / max(image.shape[-2:])
    size = [max(1, round(length * factor)) for length in image.shape[-2:]]
    return F.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True)[0]
