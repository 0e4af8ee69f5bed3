from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from seemkit.errors import InputError
from seemkit.inference.drawing import to_pil
from seemkit.io.frames import Frames
from seemkit.io.video import writing_video
from seemkit.types import Size
from tests.networks import picture


@pytest.fixture
def folder(tmp_path):
    """A folder in which frame number i is random picture i."""
    made = tmp_path / "kite"
    made.mkdir()
    for number in (2, 10, 9):
        to_pil(picture(40, 50, number)).save(made / f"shot{number}.png")
    (made / "notes.txt").write_text("no frame")
    return made


def test_a_folder_in_the_order_of_its_numbers(folder):
    frames = Frames(folder)
    assert (frames.name, frames.rate) == ("kite", 24)
    found = list(frames)
    assert [frame.name for frame in found] == ["shot2", "shot9", "shot10"]
    assert all(frame.pixels.equal(picture(40, 50, n)) for frame, n in zip(found, (2, 9, 10), strict=True))
    assert len(list(frames)) == 3  # again from the start


def test_a_folder_is_called_what_it_is_called(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert Frames(folder.relative_to(folder)).name == "kite"


def test_a_video_file(tmp_path):
    with writing_video(tmp_path / "boat.mp4", Fraction(10), Size(40, 50)) as append:
        for _ in range(3):
            append(torch.full((3, 40, 50), 90, dtype=torch.uint8))
    frames = Frames(tmp_path / "boat.mp4")
    assert (frames.name, frames.rate) == ("boat", 10)
    assert [(frame.name, tuple(frame.pixels.shape)) for frame in frames] == [
        (f"{i:05d}", (3, 40, 50)) for i in range(3)
    ]


def test_frames_of_different_sizes(folder):
    to_pil(picture(40, 60)).save(folder / "shot9.png")
    frames = iter(Frames(folder))
    assert next(frames).name == "shot2"
    with pytest.raises(InputError, match="kite: frame shot9 is 60 by 40 pixels, but the first is 50 by 40"):
        next(frames)


def test_a_damaged_frame_is_named(folder):
    (folder / "shot9.png").write_bytes((folder / "shot9.png").read_bytes()[:300])
    with pytest.raises(InputError, match=r"shot9\.png: cannot be read"):
        list(Frames(folder))


def test_two_frames_of_one_name(folder):
    to_pil(picture(40, 50)).save(folder / "shot9.jpg")
    with pytest.raises(InputError, match="have the same name"):
        Frames(folder)


def test_nothing_to_read(tmp_path):
    (tmp_path / "notes.txt").write_text("no frame")
    with pytest.raises(InputError, match="holds no image"):
        Frames(tmp_path)
    with pytest.raises(InputError, match=r"absent: no such file or folder"):
        Frames(tmp_path / "absent")
    with pytest.raises(InputError, match=r"notes\.txt: cannot be read as a video"):
        list(Frames(tmp_path / "notes.txt"))


def test_frames_that_are_too_small(tmp_path):
    with writing_video(tmp_path / "a.mp4", Fraction(10), Size(16, 64)) as append:
        append(torch.zeros((3, 16, 64), dtype=torch.uint8))
    with pytest.raises(InputError, match=r"a\.mp4: 64 by 16 pixels; a frame needs at least 32"):
        list(Frames(tmp_path / "a.mp4"))
