from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.errors import InputError
from seemkit.io.user_image import load_image

HEIGHT, WIDTH = 33, 40
PIXELS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
EXPECTED = torch.from_numpy(PIXELS).permute(2, 0, 1)
FIRST = np.moveaxis(PIXELS, -1, 0)
ALPHA = np.full((HEIGHT, WIDTH, 1), 9, dtype=np.uint8)
GRAY = PIXELS[..., 0]


@pytest.mark.parametrize(
    "image",
    [
        PIXELS,
        FIRST,
        np.concatenate([PIXELS, ALPHA], axis=2),
        PIXELS / 255,
        (FIRST / 255).astype(np.float32),
        (PIXELS / 255).astype(np.float16),
        PIXELS[::-1, ::-1][::-1, ::-1],
        torch.from_numpy(PIXELS),
        EXPECTED,
        EXPECTED.float() / 255,
        Image.fromarray(PIXELS),
        Image.fromarray(np.concatenate([PIXELS, ALPHA], axis=2)),
    ],
    ids=lambda image: type(image).__name__,
)
def test_one_image_in_many_forms(image) -> None:
    found = load_image(image)
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    if getattr(image, "dtype", None) == np.float16:  # has 11 bits
        assert int((found.int() - EXPECTED.int()).abs().max()) <= 1
    else:
        assert torch.equal(found, EXPECTED)


@pytest.mark.parametrize(
    "image", [GRAY, GRAY[None], GRAY[..., None], GRAY / 255, Image.fromarray(GRAY)], ids=lambda i: type(i).__name__
)
def test_gray_fills_three_channels(image) -> None:
    assert torch.equal(load_image(image), torch.from_numpy(GRAY.copy()).expand(3, -1, -1))


def test_files_and_pillow_images_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    turned = load_image(tmp_path / "a.png")
    assert turned.shape == (3, WIDTH, HEIGHT)
    assert torch.equal(load_image(Image.open(tmp_path / "a.png")), turned)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("https://example.org/a.png", r"https://example.org/a.png: addresses are not opened; download"),
        (7, r"image: a int; expected a file, a Pillow image"),
        (np.zeros((2, HEIGHT, WIDTH, 3), np.uint8), r"shape \[2, 33, 40, 3\].*one by one"),
        (np.zeros((HEIGHT, WIDTH, 2), np.uint8), r"shape \[33, 40, 2\]; expected \[H, W, 3\]"),
        (np.zeros((31, WIDTH, 3), np.uint8), r"shape \[31, 40, 3\]; .* at least 32"),
        (np.zeros((20, 20), np.uint8), r"20 by 20 pixels; an image needs at least 32"),
        (Image.new("RGB", (20, 40)), r"20 by 40 pixels; an image needs at least 32"),
        (np.zeros((0, 40), np.float32), "has no pixels"),
        (PIXELS.astype(np.float32), r"from 0 to 255; expected 0 to 1: convert it with .astype\('uint8'\)"),
        (PIXELS / 100 - 1, r"from -1 to 1.55; expected 0 to 1: undo the normalization"),
        (np.full((HEIGHT, WIDTH), np.nan), r"not finite"),
        (PIXELS.astype(np.int64), r"pixels of torch.int64; expected uint8"),
        (PIXELS.astype(np.uint16), r"pixels of torch.uint16; expected uint8"),
        (np.full((HEIGHT, WIDTH), "a"), r"an array of <U1; expected uint8"),
        (Image.new("F", (40, 40)), r"image: has floating-point pixels"),
    ],
)
def test_what_is_no_image(image, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_image(image)
