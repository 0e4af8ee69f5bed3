"""GrabCut, Berkeley, DAVIS frames and COCO-mini."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.data.interactive.images import InteractiveImages
from seemkit.data.interactive.layout import Layout
from seemkit.data.interactive.single_object import BERKELEY, FRAMES, GRABCUT
from seemkit.errors import InputError
from seemkit.types import Vocabulary
from tests.data.interactive.folders import object_values, write_grabcut, write_mask
from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH, write_image


def test_grabcut_does_not_judge_the_outline(tmp_path: Path) -> None:
    root = write_grabcut(tmp_path, "banana1.bmp", "21077.jpg", "llama.PNG")
    (root / "data_GT" / "Thumbs.db").touch()
    images = InteractiveImages(root, GRABCUT)
    assert GRABCUT.vocabulary == Vocabulary(("object",), (True,))
    assert [images[index][1].name for index in range(len(images))] == ["21077.jpg", "banana1.bmp", "llama.PNG"]
    image, target = images[1]
    assert image.shape == (3, HEIGHT, WIDTH)
    assert np.array_equal(image.permute(1, 2, 0), Image.open(root / "data_GT" / "banana1.bmp"))
    values = torch.from_numpy(object_values(rim=128))
    assert torch.equal(target.masks, (values == 255)[None])
    assert target.ignored is not None
    assert torch.equal(target.ignored, values == 128)
    assert target.ignored.sum() == 30 * 22 - 26 * 18
    assert target.labels.tolist() == [0]
    assert target.crowd.tolist() == [False]


@pytest.mark.parametrize(
    "drawn",
    [
        lambda values: values > 0,  # one bit a pixel
        lambda values: values,
        lambda values: np.where(values > 0, 1, 0).astype(np.uint8),
        lambda values: np.stack([values * 0, values * 0, values], axis=-1),  # in the blue channel alone
        lambda values: np.stack([values, values, values * 0, values * 0 + 255], axis=-1),
    ],
)
@pytest.mark.parametrize(("layout", "folders"), [(BERKELEY, ("images", "masks")), (FRAMES, ("img", "gt"))])
def test_what_is_not_black_is_the_object(
    drawn: Callable[[np.ndarray], np.ndarray], layout: Layout, folders: tuple[str, str], tmp_path: Path
) -> None:
    values = object_values(inner=255, rim=255)
    write_image(tmp_path / folders[0] / "b.1.jpg")
    write_mask(tmp_path / folders[1] / "b.1.png", drawn(values))
    ((_, target),) = list(InteractiveImages(tmp_path, layout))
    assert torch.equal(target.masks, torch.from_numpy(values > 0)[None])
    assert target.ignored is None
    assert target.name == "b.1.jpg"
    assert layout.vocabulary.names == ("object",)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    write_image(tmp_path / "img" / "a.jpg")
    png = Image.fromarray(object_values(inner=0, rim=1)).convert("P")
    png.putdata(np.where(object_values() > 0, 0, 1).ravel().tolist())
    png.putpalette([0, 128, 0, 0, 0, 0])  # the object has index 0, and the background is black with index 1
    (tmp_path / "gt").mkdir()
    png.save(tmp_path / "gt" / "a.png")
    ((_, target),) = list(InteractiveImages(tmp_path, FRAMES))
    assert torch.equal(target.masks, torch.from_numpy(object_values() > 0)[None])


def test_faults_that_are_known_at_once(tmp_path: Path) -> None:
    root = write_grabcut(tmp_path / "grabcut", "a.jpg", "b.jpg")

    def said(path: Path = root) -> str:
        with pytest.raises(InputError) as error:
            InteractiveImages(path, GRABCUT)
        return str(error.value)

    assert said(tmp_path / "none") == f"{tmp_path / 'none'}: no such folder; check root"
    assert "grabcut/data_GT: holds no folder data_GT; check root and name" in said(root / "data_GT")
    mask = root / "boundary_GT" / "b.bmp"
    write_mask(mask, np.zeros((HEIGHT, WIDTH + 1), dtype=np.uint8))
    assert "boundary_GT/b.bmp: is 61 by 40 pixels but b.jpg is 60 by 40; make them equal" in said()
    mask.write_bytes(b"BM")
    assert "boundary_GT/b.bmp: cannot be read as an image" in said()
    mask.unlink()
    assert f"data_GT/b.jpg: has no mask b in {mask.parent}; add the mask or remove the image" in said()
    (root / "data_GT" / "b.jpg").unlink()
    write_mask(root / "boundary_GT" / "c.bmp", object_values())
    assert "boundary_GT/c.bmp: has no image c in" in said()
    write_image(root / "data_GT" / "a.png")
    assert "data_GT/a.png: has the same name as a.jpg; keep one of the two" in said()
    for path in (root / "data_GT").iterdir():
        path.unlink()
    assert "data_GT: holds no image" in said()


def test_faults_of_pixels_are_known_when_they_are_read(tmp_path: Path) -> None:
    root = write_grabcut(tmp_path, "a.jpg", "b.jpg")
    write_mask(root / "boundary_GT" / "a.bmp", object_values(inner=0, rim=128))
    images = InteractiveImages(root, GRABCUT)
    with pytest.raises(InputError, match=r"boundary_GT/a\.bmp: marks no object; replace it, or remove it and a\.jpg"):
        images[0]
    path = root / "data_GT" / "b.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"data_GT/b\.jpg: cannot be read as an image"):
        images[1]
