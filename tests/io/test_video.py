from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from seemkit.errors import InputError
from seemkit.io.video import frame_rate, read_video, writing_video
from seemkit.types import Size


def film(path, size=(48, 64), count=6, rate=12):
    """A video of frames whose brightness rises; its frames."""
    frames = [torch.full((3, *size), 20 + 30 * index, dtype=torch.uint8) for index in range(count)]
    with writing_video(path, Fraction(rate), Size(*size)) as append:
        for frame in frames:
            append(frame)
    return frames


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
def test_what_is_written_is_read(tmp_path, size):
    frames = film(tmp_path / "a.mp4", size)
    found = list(read_video(tmp_path / "a.mp4"))
    assert len(found) == len(frames)
    for frame, written in zip(found, frames, strict=True):
        assert frame.shape == (3, 48, 64)
        assert frame.dtype == torch.uint8
        assert (frame[:, : size[0], : size[1]].int() - written.int()).abs().max() < 6
    assert frame_rate(tmp_path / "a.mp4") == 12


def test_a_video_is_turned_as_it_says(tmp_path):
    left = np.zeros((48, 64, 3), np.uint8)
    left[:, :32] = 255
    with av.open(tmp_path / "a.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(left, format="rgb24")))
        container.mux(stream.encode())
    (frame,) = read_video(tmp_path / "a.mp4")
    assert frame.shape == (3, 64, 48)
    bright = frame.float().mean(dim=(0, 2))
    # turned counterclockwise, what was on the left is below
    assert bright[:30].max() < 30
    assert bright[-30:].min() > 220


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no video at all", "cannot be read as a video"), (b"", "cannot be read as a video"), (None, "no such file")],
)
def test_no_video_file(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    for read in (lambda: next(read_video(path)), lambda: frame_rate(path)):
        with pytest.raises(InputError, match=rf"a\.mp4: {message}"):
            read()


def test_a_file_with_sound_alone(tmp_path):
    with av.open(tmp_path / "a.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(InputError, match="holds no video"):
        list(read_video(tmp_path / "a.wav"))


def test_a_damaged_file_gives_what_comes_before_the_damage(tmp_path):
    path = tmp_path / "a.mp4"
    generator = torch.Generator().manual_seed(0)
    with writing_video(path, Fraction(24), Size(48, 64)) as append:
        for _ in range(30):
            append(torch.randint(0, 256, (3, 48, 64), generator=generator, dtype=torch.uint8))
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + (len(content) // 2)
    content[middle : middle + 9000] = bytes(9000)
    path.write_bytes(content)
    found = []
    with pytest.raises(InputError, match=r"a\.mp4: cannot be read as a video"):
        found.extend(read_video(path))
    assert 0 < len(found) < 30
