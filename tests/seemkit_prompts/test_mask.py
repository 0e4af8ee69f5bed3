from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit import Mask
from seemkit.errors import InputError
from seemkit.plugin import Subject
from seemkit.types import Size


@pytest.fixture
def encoder(tiny_network):
    return tiny_network.sampler.kind("mask")


@pytest.fixture
def mask() -> torch.Tensor:
    found = torch.zeros(60, 90, dtype=torch.bool)
    found[10:12, 20:23] = True
    return found


@pytest.mark.parametrize("positive", [True, False])
def test_all_its_pixels(encoder, mask, positive):
    region = encoder.region(Mask(mask, positive), Size(60, 90))
    marked, other = (region.positive, region.negative) if positive else (region.negative, region.positive)
    assert marked.tolist() == [[10, 20], [10, 21], [10, 22], [11, 20], [11, 21], [11, 22]]
    assert len(other) == 0


def test_simulated_from_an_object(encoder, mask):
    assert torch.equal(encoder.simulate(Subject(mask), torch.Generator())[0].mask, mask)
    assert encoder.simulate(Subject(torch.zeros_like(mask)), torch.Generator()) == []


@pytest.mark.parametrize("sign", ["", "-"])
def test_from_a_file(encoder, mask, tmp_path, monkeypatch, sign):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(mask.numpy().astype(np.uint8) * 255).save("m.png")
    found = encoder.parse(f"{sign}m.png")
    assert torch.equal(found.mask, mask)
    assert found.positive is (not sign)


def test_bad_files(encoder, tmp_path):
    (tmp_path / "m.png").write_text("no image")
    for name in ("m.png", "absent.png"):
        with pytest.raises(InputError, match=name):
            encoder.parse(str(tmp_path / name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda mask: mask[:50], r"mask has shape \[50, 90\]; expected \[60, 90\], the size of the image"),
        (lambda mask: mask.float(), "float32"),
        (torch.zeros_like, "no pixel is set"),
    ],
)
def test_bad_masks(encoder, mask, change, message):
    with pytest.raises(InputError, match=message):
        encoder.check(Mask(change(mask)), Size(60, 90))
