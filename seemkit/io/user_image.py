"""A user's image in any of its usual forms, as an RGB tensor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.image import MIN_SIDE, read_image, to_rgb, turn_upright

UserImage: TypeAlias = str | Path | Image.Image | NDArray[Any] | Tensor
"""An image file, a Pillow image, or an array or tensor.

Arrays are [H, W, C], [C, H, W] or [H, W], with 1, 3 or 4 channels in the order red, green, blue, alpha; uint8 from 0 to
255, or floating-point from 0 to 1."""

CHANNELS = (1, 3, 4)
_URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def load_image(image: UserImage) -> Tensor:
    """Return a user's image as uint8 [3, H, W], RGB, 0..255.

    The EXIF orientation of files and Pillow images is applied, gray is repeated, and alpha is dropped. Of an array, the
    axis with 1, 3 or 4 entries is that of the channels; the others need at least 32.

    Raises:
        InputError: the image is a URL or of another type, the file is not readable, or an array has another shape,
            type or range.
    """
    if isinstance(image, (str, Path)):
        if _URL.match(str(image)):
            raise InputError(f"{image}: addresses are not opened; download the image, and give the file")
        return read_image(str(image), upright=True)
    if isinstance(image, Image.Image):
        pixels = np.array(to_rgb(turn_upright(image), "image"))
        return _checked(torch.from_numpy(pixels).permute(2, 0, 1))
    if isinstance(image, np.ndarray):
        try:
            image = torch.from_numpy(np.ascontiguousarray(image))
        except TypeError as error:
            raise InputError(f"image: an array of {image.dtype}; expected uint8 0..255 or float 0..1") from error
    if not isinstance(image, Tensor):
        raise InputError(
            f"image: a {type(image).__name__}; expected a file, a Pillow image, an array or a tensor with the pixels"
        )
    return _checked(_to_bytes(_channels_first(image.detach().cpu())))


def _channels_first(image: Tensor) -> Tensor:
    """Return an array of pixels as [3, H, W].

    Raises:
        InputError: no axis is that of the channels.
    """
    shape = [*image.shape]
    if image.ndim == 2:
        image = image[None]
    elif image.ndim == 3 and shape[0] in CHANNELS and min(shape[1:]) >= MIN_SIDE:
        pass
    elif image.ndim == 3 and shape[2] in CHANNELS and min(shape[:2]) >= MIN_SIDE:
        image = image.permute(2, 0, 1)
    else:
        hint = "; give the images one by one" if image.ndim == 4 else ""
        raise InputError(
            f"image: an array of shape {shape}; expected [H, W, 3], [3, H, W] or [H, W], with sides of at least "
            f"{MIN_SIDE} pixels{hint}"
        )
    return image.expand(3, -1, -1) if len(image) == 1 else image[:3]


def _to_bytes(image: Tensor) -> Tensor:
    """Return pixels as uint8, 0..255.

    Raises:
        InputError: they have another type or range.
    """
    if image.dtype == torch.uint8:
        return image
    if not image.is_floating_point():
        raise InputError(f"image: pixels of {image.dtype}; expected uint8 from 0 to 255, or floating-point from 0 to 1")
    if not image.numel():
        raise InputError("image: has no pixels")
    if not bool(image.isfinite().all()):
        raise InputError("image: some pixels are not finite numbers")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        hint = "convert it with .astype('uint8')" if low >= 0 and high <= 255 else "undo the normalization"
        raise InputError(f"image: floating-point pixels from {low:g} to {high:g}; expected 0 to 1: {hint}")
    return (image.float() * 255).round().to(torch.uint8)


def _checked(image: Tensor) -> Tensor:
    """Return the image [3, H, W], contiguous.

    Raises:
        InputError: a side is too short.
    """
    height, width = image.shape[1:]
    if min(height, width) < MIN_SIDE:
        raise InputError(f"image: {width} by {height} pixels; an image needs at least {MIN_SIDE} on each side")
    return image.contiguous()
