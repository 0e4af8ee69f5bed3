from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from seemkit.data.coco.segmentation import Polygons, decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.ops.rle import encode_mask
from seemkit.types import Size
from tests.objects import rectangle, runs

SIZE = Size(40, 48)


def mask_of(segmentation: object) -> torch.Tensor:
    return decode_shape(read_shape({"segmentation": segmentation}, "a.json"), SIZE, "a.json")


def drawn() -> torch.Tensor:
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[4:14, 3:12] = True
    mask[20:30, 0:5] = True
    return mask


def test_all_forms_give_the_same_mask() -> None:
    expected = drawn()
    polygons = [rectangle(3, 4, 12, 14), rectangle(0, 20, 5, 30)]
    for form in (polygons, runs(expected.numpy()), encode_mask(expected)):
        assert torch.equal(mask_of(json.loads(json.dumps(form))), expected)


def test_polygons_are_united() -> None:
    assert int(mask_of([rectangle(0, 0, 10, 10), rectangle(5, 0, 15, 10)]).sum()) == 150


def test_runs_that_begin_with_the_object() -> None:
    assert bool(mask_of(runs(np.ones(SIZE, dtype=bool))).all())


def test_box() -> None:
    shape = read_shape({"segmentation": [rectangle(3, 4, 12, 14), rectangle(0.5, 20, 5, 30)]}, "")
    assert isinstance(shape, Polygons)
    assert shape.box().tolist() == [0.5, 4, 12, 30]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "'segmentation' has no polygon"),
        (3, "'segmentation' is a int"),
        ([[1, 2, 3, 4]], r"segmentation\[0\]: has 4 numbers"),
        ([rectangle(1, 1, 9, 9), [1, 2, 3, 4, 5, 6, 7]], r"segmentation\[1\]: has 7 numbers"),
        ([1, 2, 3, 4, 5, 6], r"segmentation\[0\]: is a int"),
        ([[1, 2, 3, 4, 5, "6"]], "not a pixel coordinate"),
        ([[1, 2, 3, 4, 5, None]], "not a pixel coordinate"),
        ([[1, 2, 3, 4, 5, math.nan]], "not a pixel coordinate"),
        ([[1, 2, 3, 4, 5, 1e9]], "not a pixel coordinate"),
        ({"counts": [4]}, "segmentation: has no 'size'"),
        ({"size": [40, 48]}, "segmentation: has no 'counts'"),
        ({"size": [40], "counts": [1]}, r"'size' is \[40\]"),
        ({"size": [40, -1], "counts": [1]}, r"'size' is \[40, -1\]"),
        ({"size": [40, 48], "counts": [3, -1]}, "'counts' has an entry"),
        ({"size": [40, 48], "counts": [2**40]}, "'counts' has an entry"),
        ({"size": [40, 48], "counts": {}}, "'counts' is a dict"),
    ],
)
def test_faults_of_form(segmentation: object, message: str) -> None:
    with pytest.raises(InputError, match=rf"^a\.json: .*{message}"):
        read_shape({"segmentation": segmentation}, "a.json: annotations[0]")


@pytest.mark.parametrize("counts", [[], [1, 2], [40 * 48, 1], "", "abc", "\u20ac"])
def test_runs_that_do_not_fill_the_image(counts: object) -> None:
    with pytest.raises(InputError, match=r"^a\.json: 'counts' of a run-length mask do not fill its size; correct its"):
        mask_of({"size": [40, 48], "counts": counts})


def test_runs_of_another_size() -> None:
    with pytest.raises(InputError, match="run lengths are for 40 by 48 pixels, not for 48 by 40"):
        mask_of({"size": [48, 40], "counts": [48 * 40]})
