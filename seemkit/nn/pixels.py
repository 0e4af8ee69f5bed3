"""Preparation of images for the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.types import Size

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def normalize(images: Sequence[Tensor], sizes: Sequence[Size], multiple: int, like: Tensor) -> Float[Tensor, "B 3 H W"]:
    """Return the images minus `PIXEL_MEAN`, divided by `PIXEL_STD`, and padded with zeros to a common size.

    The padding is on the right and at the bottom. The memory format of the result is channels last.

    Args:
        images: tensors [3, H, W], RGB, 0..255.
        sizes: sizes of the images.
        multiple: divisor of the common height and width.
        like: tensor with the dtype and device of the result; half precision is applied only after the division.
    """
    exact = torch.promote_types(like.dtype, torch.float32)
    mean, std = (torch.tensor(v, device=like.device, dtype=exact)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    height, width = (-(-max(side) // multiple) * multiple for side in zip(*sizes, strict=True))
    padded = [
        F.pad(((image.to(mean) - mean) / std).to(like.dtype), (0, width - s.width, 0, height - s.height))
        for image, s in zip(images, sizes, strict=True)
    ]
    return torch.stack(padded).contiguous(memory_format=torch.channels_last)
