"""The frames of a video: a folder of images, or a video file."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from jaxtyping import UInt8
from torch import Tensor

from seemkit.errors import InputError
from seemkit.io.image import MIN_SIDE, image_files, read_image
from seemkit.io.video import USUAL_RATE, frame_rate, read_video


class Frame(NamedTuple):
    """A frame.

    Attributes:
        name: stem of the file; in a video file the number of the frame with five digits, from 00000.
        pixels: uint8 [3, H, W], RGB.
    """

    name: str
    pixels: UInt8[Tensor, "3 H W"]


class Frames:
    """The frames of a video in order, all of one size, read one at a time on demand.

    Image files are sorted by name, with numbers by value: 9.jpg comes before 10.jpg.

    Args:
        source: folder of images, or video file.

    Attributes:
        name: name of the video: the name of the folder, or the stem of the file.
        rate: frames per second; 24 for a folder.

    Raises:
        InputError: the file or folder is missing, the folder has no image or two of the same stem, or the file has no
            video.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self._files = image_files(source) if source.is_dir() else None
        self.name = source.stem if self._files is None else source.resolve().name
        self.rate: Fraction = frame_rate(source) if self._files is None else USUAL_RATE

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame.

        Raises:
            InputError: a frame cannot be read, is smaller than 32 pixels on a side, or has another size than the first,
                or the video has no frame.
        """
        first = None
        for frame in self._read():
            height, width = frame.pixels.shape[-2:]
            first = first or (height, width)
            if min(first) < MIN_SIDE:
                raise InputError(
                    f"{self.source}: {width} by {height} pixels; a frame needs at least {MIN_SIDE} on each side"
                )
            if first != (height, width):
                raise InputError(
                    f"{self.source}: frame {frame.name} is {width} by {height} pixels, but the first is {first[1]} by "
                    f"{first[0]}; make them equal"
                )
            yield frame
        if first is None:
            raise InputError(f"{self.source}: has no frame; replace the file")

    def _read(self) -> Iterator[Frame]:
        if self._files is None:
            for index, pixels in enumerate(read_video(self.source)):
                yield Frame(f"{index:05d}", pixels)
        else:
            for path in self._files:
                yield Frame(path.stem, read_image(path, upright=True))
