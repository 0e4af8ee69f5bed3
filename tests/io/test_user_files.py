"""Image files of users: broken EXIF, hidden files, formats that are not read."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit import Mask
from seemkit.errors import InputError
from seemkit.io.folder import visible
from seemkit.io.image import image_files, read_image
from seemkit.io.user_image import load_image
from seemkit.io.video import read_video, writing_video
from seemkit.types import Size

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def with_exif(path: Path, exif: bytes) -> Path:
    """A PNG whose EXIF chunk has this content."""
    Image.fromarray(PIXELS).save(path)
    content = path.read_bytes()
    chunk = b"eXIf" + exif
    added = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:33] + added + content[33:])  # after the header
    return path


def test_an_image_with_broken_exif_is_read_as_it_is(tmp_path):
    path = with_exif(tmp_path / "a.png", b"\x00\x08\x00\x02\x01\x12\x00\x03")
    assert np.array_equal(read_image(path, upright=True).permute(1, 2, 0).numpy(), PIXELS)
    with Image.open(path) as image:
        assert load_image(image).shape == (3, 40, 60)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(PIXELS)
    for turn in {
        2: ["FLIP_LEFT_RIGHT"], 3: ["ROTATE_180"], 4: ["FLIP_TOP_BOTTOM"], 5: ["TRANSPOSE"], 6: ["ROTATE_90"],
        7: ["TRANSVERSE"], 8: ["ROTATE_270"],
    }.get(orientation, []):  # fmt: skip
        stored = stored.transpose(Image.Transpose[turn])  # what the camera stores
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png", upright=True).permute(1, 2, 0).numpy(), PIXELS)


def test_what_is_in_a_folder(tmp_path):
    for name in ("b.png", "a.jpg", "._a.jpg"):
        Image.fromarray(PIXELS).save(tmp_path / name)
    for name in ("c.HEIC", "b.CR2", "notes.pdf", "clip.mpg"):
        (tmp_path / name).write_bytes(b"something")
    assert [path.name for path in image_files(tmp_path)] == ["a.jpg", "b.png", "c.HEIC"]  # b.CR2 is the raw b.png
    with pytest.raises(InputError, match=r"c\.HEIC: HEIC files are not read; save it as JPEG or PNG"):
        read_image(tmp_path / "c.HEIC")
    assert [path.name for path in visible(tmp_path.glob("*.jpg"))] == ["a.jpg"]


def test_masks_by_alpha_as_jpeg_and_turned(tmp_path):
    region = np.zeros((40, 60), np.uint8)
    region[5:20, 10:30] = 255
    Image.fromarray(np.dstack([np.full((40, 60, 3), 255, np.uint8), region])).save(tmp_path / "alpha.png")
    Image.fromarray(region).save(tmp_path / "mask.jpg", quality=60)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(region).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    for name in ("alpha.png", "mask.jpg", "turned.png"):
        assert np.array_equal(Mask.read(tmp_path / name).mask.numpy(), region > 0), name
    with pytest.raises(InputError, match="no such image"):
        Mask.read(tmp_path / "absent.png")


def test_a_film_with_a_colon_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with writing_video(Path("12:30:45.mp4"), Fraction(24), Size(40, 60)) as append:
        for _ in range(3):
            append(torch.from_numpy(PIXELS).permute(2, 0, 1))
    assert len(list(read_video(Path("12:30:45.mp4")))) == 3
