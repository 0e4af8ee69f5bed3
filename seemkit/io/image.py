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
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.folder import visible
from seemkit.io.storage import StoredFile
from seemkit.types import Size

SUFFIXES = frozenset({
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Suffixes of image files, in lower case. Pillow knows more, but also those of documents and films."""
CAMERA_SUFFIXES = frozenset({
    ".arw", ".cr2", ".cr3", ".dng", ".heic", ".heif", ".nef", ".orf", ".raf", ".rw2",
})  # fmt: skip
"""Suffixes of photographs that Pillow does not read."""
MIN_SIDE = 32
"""The smallest height and width of an image in pixels: the coarsest level of the pyramid has stride 32."""

_ORIENTATION, _UPRIGHT = 0x0112, 1
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of each EXIF orientation upright."""

# raised by Pillow's decoders on truncated or damaged files
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip


def read_image(path: str | StoredFile, upright: bool = False) -> Tensor:
    """Return the image in a file as uint8 [3, H, W], RGB, 0..255.

    Gray, palette and CMYK images are converted to RGB, alpha is dropped, and 16 bits are scaled to 8. For an animation,
    the first frame is read.

    Args:
        path: file in a format that Pillow reads, or a member of a shard.
        upright: whether to apply the EXIF orientation: True for a user's photographs, False for datasets with masks,
            whose masks are drawn on the pixels as stored.

    Raises:
        InputError: the file is missing or damaged, the image is smaller than 32 pixels on a side, or it has 32 bits per
            channel.
    """
    image = open_image(path)
    if upright:
        image = turn_upright(image)
    if min(image.size) < MIN_SIDE:
        raise InputError(
            f"{path}: is {image.width} by {image.height} pixels; an image needs at least {MIN_SIDE} on each side"
        )
    return torch.from_numpy(np.array(to_rgb(image, path))).permute(2, 0, 1).contiguous()


def open_image(path: str | StoredFile) -> Image.Image:
    """Return the decoded image in a file, in its stored mode.

    Raises:
        InputError: the file is missing or cannot be decoded completely.
    """
    with _opened(path) as image:
        image.load()
        return image


def turn_upright(image: Image.Image) -> Image.Image:
    """Return the image turned by its EXIF orientation; the image itself without one, or if it cannot be read."""
    turn = TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1, which is upright, without one or if it cannot be read."""
    try:
        found = image.getexif().get(_ORIENTATION, _UPRIGHT)
    except _DECODING_ERRORS:
        return _UPRIGHT
    return found if found in TURNS else _UPRIGHT


def header_size(path: str | Path) -> Size:
    """Return the size of an image file from its header, without decoding it.

    Raises:
        InputError: the file is missing or not an image.
    """
    with _opened(path) as image:
        return Size(image.height, image.width)


def header_turn(path: str | Path) -> Image.Transpose | None:
    """Return what turns the image of a file upright, from its header; None if it is stored upright.

    Raises:
        InputError: the file is missing or not an image.
    """
    with _opened(path) as image:
        return TURNS.get(orientation(image))


def check_equal_size(path: StoredFile, size: Size, image: StoredFile, image_size: Size) -> None:
    """Raise InputError unless a mask or map has the size of its image.

    Args:
        path: file of the mask or map.
        size: size of the mask or map.
        image: file of the image.
        image_size: size of the image.

    Raises:
        InputError: the sizes differ; the message names both files.
    """
    if size != image_size:
        raise InputError(
            f"{path}: is {size.width} by {size.height} pixels but {image.name} is {image_size.width} by "
            f"{image_size.height}; make them equal"
        )


@contextmanager
def _opened(path: str | StoredFile) -> Iterator[Image.Image]:
    """Yield the open image in a file; raise InputError if opening or decoding it fails."""
    source = path if isinstance(path, (str, Path)) else BytesIO(path.read_bytes())
    try:
        with Image.open(source) as image:
            yield image
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image; check the path") from error
    except _DECODING_ERRORS as error:
        # omit Pillow's text for an unknown format: for a member of a shard it names an object in memory
        unknown = isinstance(error, UnidentifiedImageError)
        suffix = Path(path if isinstance(path, (str, Path)) else path.name).suffix
        if unknown and suffix.lower() in CAMERA_SUFFIXES:
            raise InputError(f"{path}: {suffix[1:]} files are not read; save it as JPEG or PNG") from error
        reason = "unknown format" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as an image ({reason}); replace the file") from error


def to_rgb(image: Image.Image, path: str | StoredFile) -> Image.Image:
    """Return the image in mode RGB, without alpha, with 8 bits per channel.

    Args:
        image: the image, in any mode.
        path: its file, for messages.

    Raises:
        InputError: it has 32 bits per channel, or its mode cannot be converted.
    """
    if image.mode.startswith("I"):
        return _scale_16_bits(image, path).convert("RGB")
    if image.mode == "F":
        raise InputError(f"{path}: has floating-point pixels; save it with 8 or 16 bits per channel")
    if image.mode in ("P", "PA", "RGBa", "La"):
        # palettes can have alpha, and premultiplied colors depend on alpha: both must go through RGBA
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise InputError(f"{path}: cannot convert from mode {image.mode} to RGB; save it as RGB") from error


def _scale_16_bits(image: Image.Image, path: str | StoredFile) -> Image.Image:
    """Return a 16-bit gray image in 8 bits: 65535 becomes 255, rounded to the nearest level."""
    # Pillow's mode I has 32 bits but is also used for 16-bit files, for example PGM
    values = np.array(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{path}: has 32-bit pixels; save it with 8 or 16 bits per channel")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def image_files(folder: Path) -> list[Path]:
    """Return the image files in a folder, without subfolders, sorted by name with numbers by value.

    Hidden files and files without an image suffix are skipped. Photographs that cannot be read, such as HEIC, are
    included, so that reading them says so, but not beside an image of the same name.

    Raises:
        InputError: the folder has no image, or two images differ only in their suffix.
    """
    files = [path for path in visible(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    names = {path.stem for path in files}
    unread = [path for path in visible(folder.iterdir()) if path.suffix.lower() in CAMERA_SUFFIXES]
    files += [path for path in unread if path.stem not in names]
    if not files:
        raise InputError(f"{folder}: holds no image; add one or choose another folder")
    stems: dict[str, Path] = {}
    for path in files:
        if stems.setdefault(path.stem, path) != path:
            raise InputError(f"{folder}: {stems[path.stem].name} and {path.name} have the same name; rename one")
    return sorted(files, key=lambda path: _by_value(path.name))


def _by_value(name: str) -> list[tuple[int, str]]:
    """Return the sort key of a file name, with numbers by value."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
