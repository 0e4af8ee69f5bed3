from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.errors import InputError
from seemkit.io.image import check_equal_size, header_size, read_image
from seemkit.types import Size

HEIGHT, WIDTH = 33, 40
GRAY = np.linspace(0, 255, HEIGHT * WIDTH).round().astype(np.uint8).reshape(HEIGHT, WIDTH)
COLOR = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=-1)


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0)))


def test_rgb_is_read_as_stored(tmp_path: Path) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == torch.uint8
    assert image.shape == (3, HEIGHT, WIDTH)
    assert torch.equal(image, as_tensor(COLOR))


def test_gray_fills_three_channels(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png"), torch.from_numpy(GRAY).expand(3, -1, -1))


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_alpha_is_dropped(tmp_path: Path, suffix: str) -> None:
    pixels = np.concatenate([COLOR, np.full((HEIGHT, WIDTH, 1), 7, dtype=np.uint8)], axis=-1)
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    assert torch.equal(read_image(tmp_path / f"a.{suffix}"), as_tensor(COLOR))


def test_gray_with_alpha(tmp_path: Path) -> None:
    Image.fromarray(np.stack([GRAY, GRAY], axis=-1)).save(tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png"), torch.from_numpy(GRAY).expand(3, -1, -1))


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(256))])
def test_palette_gives_its_colors(
    tmp_path: Path, transparency: int | bytes | None, recwarn: pytest.WarningsRecorder
) -> None:
    palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    stored = Image.fromarray(GRAY)
    stored = Image.frombytes("P", stored.size, stored.tobytes())
    stored.putpalette(palette.tobytes())
    stored.save(tmp_path / "a.png", **({} if transparency is None else {"transparency": transparency}))
    assert torch.equal(read_image(tmp_path / "a.png"), as_tensor(palette[GRAY]))
    assert not recwarn.list


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_16_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.linspace(0, 65535, HEIGHT * WIDTH).round().astype(np.uint16).reshape(HEIGHT, WIDTH)
    path = tmp_path / f"a.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(path)
    expected = torch.from_numpy((values / 257).round().astype(np.uint8))
    assert torch.equal(read_image(path), expected.expand(3, -1, -1))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (WIDTH, HEIGHT), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    red, green, blue = read_image(tmp_path / "a.jpg").float().mean(dim=(1, 2)).tolist()
    assert red < 5
    assert green > 250
    assert blue > 250


def test_exif_orientation_applies_on_request_only(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    Image.fromarray(COLOR).save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "a.png"), as_tensor(COLOR))
    assert torch.equal(read_image(tmp_path / "a.png", upright=True), as_tensor(np.rot90(COLOR, -1)))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.png: no such image"):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "gif", "bmp"])
def test_truncated_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=rf"a\.{suffix}: cannot be read"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_corrupt_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png: cannot be read"):
        read_image(tmp_path / "a.png")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize("size", [(31, 64), (64, 31)])
def test_too_small(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=rf"a\.png: is {size[0]} by {size[1]} pixels"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("values", [np.full((40, 40), 0.5, np.float32), np.full((40, 40), 1 << 20, np.int32)])
def test_pixels_without_a_known_range(tmp_path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=r"a\.tiff: has .*8 or 16 bits"):
        read_image(tmp_path / "a.tiff")


def test_the_header_tells_the_size_of_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOR).save(path)
    path.write_bytes(path.read_bytes()[:60])
    assert header_size(path) == (HEIGHT, WIDTH)
    path.write_bytes(path.read_bytes()[:6])
    with pytest.raises(InputError, match=r"a\.png: cannot be read as an image"):
        header_size(path)
    with pytest.raises(InputError, match="no such image"):
        header_size(tmp_path / "b.png")


def test_sizes_that_differ_are_told_as_width_by_height() -> None:
    check_equal_size(Path("m/a.png"), Size(3, 4), Path("i/a.jpg"), Size(3, 4))
    with pytest.raises(InputError, match=r"^m/a\.png: is 4 by 3 pixels but a\.jpg is 3 by 4; make them equal$"):
        check_equal_size(Path("m/a.png"), Size(3, 4), Path("i/a.jpg"), Size(4, 3))
