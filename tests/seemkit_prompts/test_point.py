from __future__ import annotations

import pytest
import torch

from seemkit.errors import InputError
from seemkit.plugin import Subject
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Point
from seemkit.types import Size

SIZE = Size(20, 30)


def encoder(**options: int):
    return installed()["point"].encoder(8, **options)


@pytest.mark.parametrize(
    ("word", "point"),
    [
        ("120,80", Point(120, 80)),
        ("-120,80", Point(120, 80, positive=False)),
        ("1.5, 2.25", Point(1.5, 2.25)),
        ("0,0", Point(0, 0)),
        ("-0,0", Point(0, 0, positive=False)),
    ],
)
def test_parse(word, point):
    assert encoder().parse(word) == point


@pytest.mark.parametrize("point", [(float("nan"), 3), (3, float("inf")), ("3", 4), (None, 1), (True, 2)])
def test_coordinates_are_numbers(point):
    with pytest.raises(InputError, match=r"point: [xy] is .*; expected a number of pixels"):
        Point(*point)


def test_an_evaluation_starts_in_the_middle():
    mask = torch.zeros(20, 30, dtype=torch.bool)
    assert encoder().start(Subject(mask), torch.Generator()) == []
    mask[4:9, 10:15] = True
    assert encoder().start(Subject(mask), torch.Generator()) == [Point(12.5, 6.5)]


@pytest.mark.parametrize("word", ["", "-", "1", "1,2,3", "a,b", "1;2", "1,"])
def test_parse_says_what_it_expects(word):
    with pytest.raises(InputError, match="expected X,Y in pixels; write - in front for a negative prompt") as error:
        encoder().parse(word)
    assert repr(word) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("point", [Point(0, 0), Point(30, 20), Point(29.9, 0.1), Point(3, 4, positive=False)])
def test_points_on_the_image(point):
    encoder().check(point, SIZE)


@pytest.mark.parametrize(
    "point",
    [Point(-0.5, 3), Point(30.5, 3), Point(3, 20.5), Point(3, -1)],
)
def test_points_beside_the_image(point):
    with pytest.raises(InputError, match=r"point .* is outside the image of 30 x 20 pixels"):
        encoder().check(point, SIZE)


@pytest.mark.parametrize(
    ("point", "row", "column"),
    [
        (Point(7.5, 3.5), 3, 7),
        (Point(7, 3), 3, 7),
        (Point(7.99, 3.99), 3, 7),
        (Point(30, 20), 19, 29),
        (Point(0, 0), 0, 0),
    ],
)
def test_region_is_the_square_around_the_pixel(point, row, column):
    found = encoder().region(point, SIZE).positive
    expected = {(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)}
    assert {tuple(p) for p in found.tolist()} == {(r, c) for r, c in expected if 0 <= r < 20 and 0 <= c < 30}
    assert encoder(side=1).region(point, SIZE).positive.tolist() == [[row, column]]


def test_a_negative_point_marks_the_negative_region():
    region = encoder().region(Point(7.5, 3.5, positive=False), SIZE)
    assert (len(region.positive), len(region.negative)) == (0, 9)


def test_simulated_points_are_distinct_pixels_of_the_mask():
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[4:9, 10:16] = True
    counts = set()
    for seed in range(60):
        points = encoder(most=5).simulate(Subject(mask), torch.Generator().manual_seed(seed))
        assert all(point.positive and mask[int(point.y), int(point.x)] for point in points)
        assert all((point.x % 1, point.y % 1) == (0.5, 0.5) for point in points)
        assert len({(point.x, point.y) for point in points}) == len(points)
        counts.add(len(points))
    assert counts == {1, 2, 3, 4, 5}


def test_simulate_few_pixels():
    mask = torch.zeros(20, 30, dtype=torch.bool)
    assert encoder().simulate(Subject(mask), torch.Generator()) == []
    mask[3, 4] = True
    assert encoder().simulate(Subject(mask), torch.Generator().manual_seed(0)) == [Point(4.5, 3.5)]


def test_simulate_repeats_with_its_generator():
    mask = torch.ones(20, 30, dtype=torch.bool)
    first, second, other = (encoder().simulate(Subject(mask), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first == second != other
