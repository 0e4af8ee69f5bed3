"""Video files, frame by frame: reads all formats of FFmpeg, writes H.264 in MP4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from seemkit.errors import InputError
from seemkit.types import Size

USUAL_RATE = Fraction(24)
"""Frames per second if the file gives no rate; also the rate of the DAVIS videos."""


def read_video(path: Path) -> Iterator[UInt8[Tensor, "3 H W"]]:
    """Yield the frames of the first video stream in order, RGB, 0..255, with the file's rotation applied.

    Only one frame is in memory at a time. A truncated file gives its remaining frames in formats without a table of
    contents, such as MKV.

    Raises:
        InputError: the file is missing, has no video, or is damaged; frames before the damage are yielded first.
    """
    with _opened(path) as container:
        for frame in container.decode(video=0):
            pixels = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            yield torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def frame_rate(path: Path) -> Fraction:
    """Return the average frames per second of a video file, 24 if it gives no rate.

    Raises:
        InputError: see `read_video`.
    """
    with _opened(path) as container:
        return container.streams.video[0].average_rate or USUAL_RATE


@contextmanager
def writing_video(path: Path, rate: Fraction, size: Size) -> Iterator[Callable[[UInt8[Tensor, "3 H W"]], None]]:
    """Yield a function that appends a frame, RGB, 0..255, to an MP4 file.

    H.264 needs even sides, so the last row or column of an odd frame is repeated.

    Args:
        path: the file, which is replaced if it exists and complete when the block ends.
        rate: frames per second.
        size: size of the frames.
    """
    right, bottom = size.width % 2, size.height % 2
    with av.open(_address(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.pix_fmt = "yuv420p"
        stream.width, stream.height = size.width + right, size.height + bottom

        def append(frame: UInt8[Tensor, "3 H W"]) -> None:
            even = F.pad(frame[None].float(), (0, right, 0, bottom), mode="replicate")[0].byte()
            pixels = even.permute(1, 2, 0).contiguous().numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))

        yield append
        container.mux(stream.encode())


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Yield the open video file; raise InputError if opening or decoding it fails."""
    try:
        with av.open(_address(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise InputError(f"{path}: holds no video; give a video file or a folder of frames")
            yield container
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder; check the path") from error
    except av.FFmpegError as error:
        raise InputError(f"{path}: cannot be read as a video ({error.strerror}); replace the file") from error
    except ValueError as error:  # such as a name in the file that is no text
        raise InputError(f"{path}: cannot be read as a video ({error}); replace the file") from error


def _address(path: Path) -> str:
    """Return the name by which FFmpeg opens a file, which would take the part before a colon for a protocol."""
    return f"file:{path}"
