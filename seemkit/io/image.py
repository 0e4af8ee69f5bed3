"""Image files as RGB tensors."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.storage import StoredFile
from seemkit.types import Size

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""What the names of image files end in, in lower case."""
MIN_SIDE = 32
"""The least height and width of an image in pixels: the coarsest level of the pyramid has stride 32."""

# what Pillow's decoders raise on files that are cut short or damaged
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip


def read_image(path: str | StoredFile, upright: bool = False) -> Tensor:
    """The image in a file as uint8 [3, H, W], RGB, 0..255.

    Gray, palette and CMYK images become RGB, alpha is dropped, and 16 bits are scaled to 8. Of an animation the first
    frame is read.

    Args:
        path: any file that Pillow reads, or a part of a shard.
        upright: turn the image as its EXIF orientation says. Data sets with masks want False, since their masks are
            drawn on the pixels as stored; photographs of a user want True.

    Raises:
        InputError: if the file is missing, damaged, smaller than 32 pixels on a side, or of 32 bits a channel.
    """
    image = open_image(path)
    if upright:
        image = ImageOps.exif_transpose(image)
    if min(image.size) < MIN_SIDE:
        raise InputError(
            f"{path}: is {image.width} by {image.height} pixels; an image needs at least {MIN_SIDE} on each side"
        )
    return torch.from_numpy(np.array(_to_rgb(image, path))).permute(2, 0, 1).contiguous()


def check_pixels(image: Tensor) -> Tensor:
    """The image, if it is uint8 [3, H, W] with sides of at least 32 pixels.

    Raises:
        InputError: it is not.
    """
    if not isinstance(image, Tensor):
        raise InputError(f"image: a {type(image).__name__}; expected a file or a uint8 tensor [3, H, W]")
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or min(image.shape[1:]) < MIN_SIDE:
        raise InputError(
            f"image: {image.dtype} of shape {[*image.shape]}; expected torch.uint8 [3, H, W], 0..255, with sides of at "
            f"least {MIN_SIDE} pixels"
        )
    return image


def load_image(image: str | Path | Tensor) -> Tensor:
    """Return a user's image as uint8 [3, H, W], RGB: a file, turned as its EXIF orientation says, or such a tensor.

    Raises:
        InputError: the file is not a readable image, or the tensor has another type or shape.
    """
    return read_image(str(image), upright=True) if isinstance(image, (str, Path)) else check_pixels(image)


def open_image(path: str | StoredFile) -> Image.Image:
    """The decoded image in a file, in the mode in which it is stored.

    Raises:
        InputError: if the file is missing or cannot be decoded to its end.
    """
    with _opened(path) as image:
        image.load()
        return image


def header_size(path: str | Path) -> Size:
    """The size of an image file as its header tells it, without decoding.

    Raises:
        InputError: if the file is missing or no image.
    """
    with _opened(path) as image:
        return Size(image.height, image.width)


def check_equal_size(path: StoredFile, size: Size, image: StoredFile, image_size: Size) -> None:
    """Nothing, if what is drawn on an image has its size.

    Args:
        path: the file that is drawn on the image.
        size: of what it holds.
        image: the file of the image.
        image_size: its size.

    Raises:
        InputError: the sizes differ; it names both files.
    """
    if size != image_size:
        raise InputError(
            f"{path}: is {size.width} by {size.height} pixels but {image.name} is {image_size.width} by "
            f"{image_size.height}; make them equal"
        )


@contextmanager
def _opened(path: str | StoredFile) -> Iterator[Image.Image]:
    """The open image in a file; what goes wrong with it becomes an InputError."""
    source = path if isinstance(path, (str, Path)) else BytesIO(path.read_bytes())
    try:
        with Image.open(source) as image:
            yield image
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image; check the path") from error
    except _DECODING_ERRORS as error:
        # what Pillow says of this names what it was given, which for a part of a shard is an object in memory
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "unknown format" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as an image ({reason}); replace the file") from error


def _to_rgb(image: Image.Image, path: str | StoredFile) -> Image.Image:
    """The image in mode RGB."""
    if image.mode.startswith("I"):
        return _scale_16_bits(image, path).convert("RGB")
    if image.mode == "F":
        raise InputError(f"{path}: has floating-point pixels; save it with 8 or 16 bits a channel")
    if image.mode in ("P", "PA", "RGBa", "La"):
        # a palette may carry alpha and a premultiplied color depends on it: both have to pass through RGBA
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise InputError(f"{path}: cannot convert from mode {image.mode} to RGB; save it as RGB") from error


def _scale_16_bits(image: Image.Image, path: str | StoredFile) -> Image.Image:
    """The gray image of 16 bits in 8 bits: 65535 becomes 255, to the nearest level."""
    # Pillow's mode I has 32 bits but also holds 16-bit files, for instance PGM
    values = np.array(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{path}: has pixels of 32 bits; save it with 8 or 16 bits a channel")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, without those of folders in it, sorted by name, numbers in it by their value.

    Hidden files and those that do not end like an image are left out.

    Raises:
        InputError: there is none, or two differ in their suffix only.
    """
    known = Image.registered_extensions()
    files = [path for path in folder.iterdir() if path.suffix.lower() in known and not path.name.startswith(".")]
    if not files:
        raise InputError(f"{folder}: holds no image")
    stems: dict[str, Path] = {}
    for path in files:
        if stems.setdefault(path.stem, path) != path:
            raise InputError(f"{folder}: {stems[path.stem].name} and {path.name} have one name; rename one")
    return sorted(files, key=lambda path: _by_value(path.name))


def _by_value(name: str) -> list[tuple[int, str]]:
    """The name's letters and, by their value, its numbers."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
