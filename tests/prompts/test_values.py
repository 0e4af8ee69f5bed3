from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from seemkit import Box, Circle, Mask, Point, Polygon, Prompt, RegionOf, Scribble, Text
from seemkit.errors import InputError

NAN = float("nan")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box(1, 1, 1, 5), "box 1,1,1,5 has no area"),
        (lambda: Box(5, 1, 1, 5), "has no area"),
        (lambda: Box(1, 1, 5, NAN), "box: y1 is 'nan'; expected a number of pixels"),
        (lambda: Polygon(((1, 1), (2, 2))), "polygon: 2 points; expected at least 3"),
        (lambda: Polygon(((1, 1), (2, 2), (NAN, 3))), "polygon: x is 'nan'"),
        (lambda: Polygon((), curve=True), "polygon: 0 points; expected at least 1"),
        (lambda: Scribble(()), "scribble: 0 points"),
        (lambda: Scribble(((1, 2),), 0), "scribble: width is 0; expected a number above 0"),
        (lambda: Scribble(((1, 2),), NAN), "scribble: width is 'nan'"),
        (lambda: Scribble((1, 2)), "expected pairs of X and Y"),
        (lambda: Scribble(5), "expected pairs of X and Y"),
        (lambda: Circle(((1, float("inf")),), 3), "circle: y is 'inf'"),
        (lambda: Circle(((1, 1),), -3), "circle: radius is -3; expected a number above 0"),
        (lambda: Text("  "), "text prompt is empty"),
        (lambda: Mask(torch.zeros(4, 5, dtype=torch.bool)), "mask: no pixel is set"),
        (lambda: Mask(torch.ones(4, 5)), "mask: mask is torch.float32 of shape"),
        (lambda: Mask(torch.ones(1, 4, 5, dtype=torch.bool)), r"shape \[1, 4, 5\]; expected torch.bool"),
        (lambda: Point(1, 2, positive="no"), "point: positive is 'no'; expected True or False"),
        (lambda: Box(1, 2, 3, 4, positive=1), "box: positive is 1"),
        (lambda: Polygon(((1, 1), (2, 2), (9, 3)), positive=None), "polygon: positive is None"),
        (lambda: RegionOf("a.png", "point"), "'p' is not a prompt; expected a value such as Point"),
        (lambda: Text(5), "text: text is a int; expected a string"),
        (lambda: Mask(3), "mask: mask is torch.int64"),
        (lambda: Mask(np.array([object()])), "mask is a ndarray; expected a boolean map"),
        (lambda: Scribble(((1, 2),), inside=5), "scribble: inside is torch.int64"),
        (lambda: Box(1e20, 0, 2e20, 5), "box: x0 is '1e[+]20'; expected a number of pixels, at most 1,000,000"),
        (lambda: Circle(((1, 10**400),), 3), "circle: y is '1000"),
        (lambda: Circle(((1, 1),), np.complex64(3)), "circle: radius is"),
    ],
)  # fmt: skip
def test_nonsense_cannot_be_made(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_points_may_be_lists_and_arrays():
    expected = ((1.0, 2.0), (3.0, 4.0), (5.0, 7.0))
    assert Polygon([[1, 2], [3, 4], [5, 7]]).points == expected
    assert Polygon(np.array([[1, 2], [3, 4], [5, 7]])).points == expected
    assert Scribble(torch.tensor([[1, 2], [3, 4], [5, 7]])).points == expected


def test_a_mask_may_be_an_array():
    mask = np.zeros((4, 5), dtype=bool)
    mask[1, 2] = True
    assert Mask(mask).mask.nonzero().tolist() == [[1, 2]]


def test_what_is_kept_is_a_copy_and_plain_numbers():
    mask = np.ones((4, 5), dtype=bool)
    prompt = Mask(mask[::-1])
    mask[:] = False
    assert bool(prompt.mask.all())
    point = Point(np.int64(3), np.float32(4))
    assert [type(point.x), type(point.y)] == [float, float]


def test_a_value_is_positive_unless_it_says_otherwise():
    @dataclass(frozen=True, slots=True)
    class Smell(Prompt):
        strength: float

    assert Smell(1.0).positive is True
    assert Text("star").positive is True
    assert [Point(1, 2).positive, Point(1, 2, positive=False).positive] == [True, False]
    assert RegionOf("other.png", Point(3, 3)).positive is True
