from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from seemkit.errors import InputError
from seemkit.inference.prediction import Prediction
from seemkit.ops.rle import decode_mask


def prediction(mask: torch.Tensor) -> Prediction:
    return Prediction(mask, mask.float() * 2 - 1, "star", 0.5)


@pytest.fixture
def mask() -> torch.Tensor:
    mask = torch.zeros(40, 50, dtype=torch.bool)
    mask[2:20, 3:30] = True
    mask[6:12, 8:14] = False  # a hole
    mask[30, 45] = True
    return mask


def test_measures(mask):
    found = prediction(mask)
    assert found.area == 18 * 27 - 36 + 1
    assert found.box == (3, 2, 46, 31)
    assert torch.equal(decode_mask(found.rle), mask)


def test_it_is_printed_in_a_line(mask):
    assert repr(prediction(mask)) == f"Prediction('star', score 0.500, {int(mask.sum())} pixels of 50 x 40)"


def test_outlines(mask):
    large, dot = prediction(mask).polygon
    assert large.shape == (8, 2)  # four sides with cut corners
    assert large.min(axis=0).tolist() == [3, 2]
    assert large.max(axis=0).tolist() == [30, 20]
    assert dot.mean(axis=0).tolist() == [45.5, 30.5]


def test_outlines_filled_again_are_the_mask_without_its_holes(mask):
    y, x = np.mgrid[:40, :50]
    blob = torch.from_numpy((np.hypot(y - 20, (x - 25) / 1.5) < 12) | ((x > 40) & (y > 30)))
    rings = [ring.ravel().tolist() for ring in prediction(blob).polygon]
    filled = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, 40, 50))).astype(bool)
    assert (filled & blob.numpy()).sum() / (filled | blob.numpy()).sum() > 0.98


def test_nothing_and_everything(mask):
    nothing, everything = prediction(mask & False), prediction(mask | True)
    assert (nothing.area, nothing.box, nothing.polygon) == (0, None, [])
    assert everything.box == (0, 0, 50, 40)
    assert len(everything.polygon) == 1


def test_the_mask_in_other_forms(mask, tmp_path):
    found = prediction(mask)
    assert np.array_equal(found.numpy(), mask.numpy())
    assert found.pil().mode == "L"
    assert np.array_equal(np.array(found.pil()) == 255, mask.numpy())
    found.save(tmp_path / "mask.png")
    assert np.array_equal(np.array(Image.open(tmp_path / "mask.png")) == 255, mask.numpy())
    record = found.to_coco(image_id=3, category_id=2)
    assert (record["image_id"], record["category_id"], record["area"]) == (3, 2, found.area)
    assert record["bbox"] == [3, 2, 43, 29]
    assert torch.equal(decode_mask(record["segmentation"]), mask)


def test_a_mask_that_cannot_be_saved_leaves_nothing(mask, tmp_path):
    for path, said in (("mask.txt", "is not named as an image"), ("absent/mask.png", "cannot write there")):
        with pytest.raises(InputError, match=said):
            prediction(mask).save(tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_an_overlay_shows_mask_and_label(mask):
    image = torch.full((3, *mask.shape), 100, dtype=torch.uint8)
    found = Prediction(mask, mask.float() * 2 - 1, "star", 0.5)
    drawn = np.asarray(found.overlay(image))
    assert drawn.shape == (*mask.shape, 3)
    assert (drawn[~mask.numpy()] == 100).mean() > 0.5
    assert (drawn[mask.numpy()] != 100).any(axis=-1).mean() > 0.95  # an edge of a letter can be as gray
    with pytest.raises(InputError, match="overlay: the image has 40 by 33 pixels, the mask"):
        found.overlay(np.zeros((33, 40, 3), np.uint8))
