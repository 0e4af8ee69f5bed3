"""Every installed kind keeps to the interface, and its simulated prompts are those of the reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seemkit import Box, Circle, Mask, Point, Polygon, RegionOf, Scribble, Text
from seemkit.errors import InputError
from seemkit.inference.drawing import to_pil
from seemkit.ops.region import Region
from seemkit.plugin import Subject
from seemkit.prompts.registry import installed, parse_prompt, prompt_from_json, prompt_to_json
from seemkit.testing import check_prompt_encoder, same
from seemkit.types import Size
from tests.networks import picture

BLOCK = torch.zeros(64, 96, dtype=torch.bool)
BLOCK[10:30, 20:50] = True
TRIANGLE = ((10, 10), (50, 10), (30, 40))
EXAMPLES = {
    "box": [Box(10, 12, 40, 30), Box(-5, -5, 200, 8.5, positive=False), Box(10.2, 10.2, 10.4, 10.3)],
    "circle": [Circle(((30, 20),), 6), Circle(TRIANGLE, 2.5, positive=False), Circle(((30, 20),), 9, inside=BLOCK)],
    "mask": [Mask(BLOCK), Mask(BLOCK, positive=False)],
    "point": [Point(30, 20), Point(96, 64, positive=False)],
    "polygon": [Polygon(TRIANGLE), Polygon(((30, 20),), curve=True)],
    "referred-region": [],
    "scribble": [Scribble(TRIANGLE), Scribble(((30, 20),), 8, positive=False, inside=BLOCK)],
    "text": [Text("the red star"), Text("красная звезда 赤い星")],
}
WORDS = {
    "box": ["10,12,40,30", "-1,2,3,4"],
    "circle": ["30,20,6", "-30,20,6"],
    "point": ["30,20", "-30,20"],
    "polygon": ["10,10,50,10,30,40", "-1,1,9,1,9,9"],
    "referred-region": ["other.png:point=30,20"],
    "scribble": ["10,10,50,30", "-30,20"],
    "text": ["the red star"],
}


@pytest.fixture
def other_image(tmp_path: Path) -> Path:
    to_pil(picture(40, 50)).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def test_the_examples_are_of_all_kinds():
    assert {name for name, kind in installed().kinds.items() if kind.package == "seemkit"} == set(EXAMPLES)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_it_keeps_to_the_interface(kind, other_image):
    examples, words = EXAMPLES[kind], WORDS.get(kind, [])
    if kind == "referred-region":
        examples = [RegionOf(str(other_image), (Point(30, 20), Box(3, 3, 20, 20), Point(1, 1, positive=False)))]
    options = {"scale": 0.1} if kind in {"circle", "scribble"} else {}
    check_prompt_encoder(installed()[kind].encoder(8, **options), examples, words)


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_words_and_json_by_name(kind):
    for word in WORDS[kind]:
        prompt = parse_prompt(f"{kind}={word}")
        written = json.loads(json.dumps(prompt_to_json(prompt)))
        assert written["kind"] == kind
        assert same(prompt_from_json(written), prompt)
        assert word.startswith("-") is (getattr(prompt, "positive", True) is False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "expected an object with the field 'kind'"),
        ({"x": 1}, "expected an object with the field 'kind'"),
        ({"kind": "nose"}, "'nose' is not installed; installed: box"),
        ({"kind": "point", "x": 1}, "point: field 'y' is missing"),
        ({"kind": "point", "x": 1, "y": 2, "z": 3}, "point: unknown field 'z'; known fields: x, y, positive"),
        ({"kind": "point", "x": "1", "y": 2}, "point: x is '1'; expected a number of pixels"),
        ({"kind": "point", "x": 1, "y": 2, "positive": 0}, "field 'positive' is 0; expected true or false"),
        ({"kind": "polygon", "points": [[1, 2], [3]]}, "expected pairs of X and Y"),
        ({"kind": "mask", "mask": {"size": [3, 4], "counts": "0"}}, "mask: field 'mask': 'counts' .* do not fill"),
        ({"kind": "mask", "mask": {"size": "big"}}, "'size' of a run-length mask"),
        ({"kind": "mask", "mask": 3}, "mask"),
        ({"kind": "text", "text": 3}, "text: text is a int; expected a string"),
        ({"kind": "referred-region", "image": "a.png"}, "expected the fields 'image'"),
    ],
)
def test_bad_json(values, message):
    with pytest.raises(InputError, match=message):
        prompt_from_json(values)


# simulation


def golden_subject() -> Subject:
    """The mask on which the reference was measured."""
    y, x = np.mgrid[:400, :500]
    mask = ((y - 180) / 90) ** 2 + ((x - 260) / 140) ** 2 <= 1
    mask &= ~((x >= 241) & (x <= 269) & (y > 180))
    return Subject(torch.from_numpy(mask))


@pytest.mark.parametrize("kind", ["circle", "point", "polygon", "scribble"])
def test_simulated_prompts_are_as_large_as_the_reference_s(golden_file, kind):
    """Mean and quantiles of the number of marked pixels of 300 draws."""
    expected = json.loads(golden_file("sampler_stats.json").read_text())[kind.capitalize()]
    subject = golden_subject()
    encoder = installed()[kind].encoder(8, **({"side": 1} if kind == "point" else {}))
    mask, counts, inside = subject.mask.numpy(), [], []
    for seed in range(300):
        drawn = encoder.simulate(subject, torch.Generator().manual_seed(seed))
        pixels = Region.union([encoder.region(prompt, subject.size) for prompt in drawn]).positive
        counts.append(len(pixels))
        inside.append(mask[tuple(pixels.T)].mean())
    assert np.mean(counts) == pytest.approx(expected["pixels_mean"], rel=0.2)
    middle = expected["pixels_quantiles_0_10_50_90_100"][1:4]
    assert np.quantile(counts, [0.1, 0.5, 0.9]).tolist() == pytest.approx(middle, rel=0.25, abs=1)
    assert np.mean(inside) == pytest.approx(expected["share_inside_mask_mean"], abs=0.02)


@pytest.mark.parametrize("kind", ["circle", "scribble"])
def test_paint_stays_within_the_object_and_starts_in_its_middle(kind):
    subject = golden_subject()
    encoder = installed()[kind].encoder(8)
    for seed in range(10):
        for draw in (encoder.simulate, encoder.start):
            drawn = draw(subject, torch.Generator().manual_seed(seed))
            assert 1 <= len(drawn) <= (5 if draw == encoder.simulate else 1)
            for prompt in drawn:
                pixels = encoder.region(prompt, subject.size).positive
                assert len(pixels)
                assert subject.mask.numpy()[tuple(pixels.T)].all()


def test_a_simulated_box_is_about_the_tight_one():
    encoder = installed()["box"].encoder(8)
    assert encoder.start(Subject(BLOCK), torch.Generator()) == [Box(20, 10, 50, 30)]
    boxes = [encoder.simulate(Subject(BLOCK), torch.Generator().manual_seed(seed))[0] for seed in range(200)]
    edges = np.array([[b.x0, b.y0, b.x1, b.y1] for b in boxes])
    assert np.abs(edges.mean(axis=0) - [20, 10, 50, 30]).max() < 1
    assert edges.std(axis=0).tolist() == pytest.approx([3, 2, 3, 2], rel=0.2)
    corner = torch.zeros_like(BLOCK)
    corner[0, 0] = True
    (one,) = encoder.simulate(Subject(corner), torch.Generator().manual_seed(0))
    encoder.check(one, Size(64, 96))


# regions


def pixels(prompt) -> set[tuple[int, int]]:
    kind = installed()[installed().kind_of(prompt)]
    region = kind.encoder(8).region(prompt, Size(64, 96))
    return {tuple(p) for p in (*region.positive.tolist(), *region.negative.tolist())}


def test_a_box_holds_the_pixels_whose_centers_it_holds():
    assert pixels(Box(3, 5, 6, 7)) == {(r, c) for r in (5, 6) for c in (3, 4, 5)}
    assert pixels(Box(3.4, 5.6, 5.6, 7.4)) == {(6, c) for c in (3, 4, 5)}
    assert pixels(Box(3.6, 5.6, 3.9, 5.9)) == {(5, 3)}  # it holds no center
    assert len(pixels(Box(-10, -10, 500, 500))) == 64 * 96
    assert pixels(Box(96.2, 3, 99, 9)) == pixels(Box(3, -9, 9, -1)) == set()


def test_a_polygon_is_filled():
    assert pixels(Polygon(((10, 10), (20, 10), (20, 16), (10, 16)))) == pixels(Box(10, 10, 20, 16))
    triangle = pixels(Polygon(((10, 10), (50, 10), (30, 50))))
    assert (20, 30) in triangle
    assert (40, 12) not in triangle
    assert len(triangle) == pytest.approx(800, rel=0.02)
    assert pixels(Polygon(((-500, -500), (500, -500), (500, 500), (-500, 500)))) == pixels(Box(0, 0, 96, 64))


def test_a_curve_is_a_line_through_its_points():
    corners = ((20.5, 10.5), (60.5, 12.5), (50.5, 40.5), (25.5, 35.5))
    found = pixels(Polygon(corners, curve=True))
    assert {(int(y), int(x)) for x, y in corners} <= found
    assert (25, 40) not in found
    assert len(found) < 300


def test_a_disc_and_its_path():
    disc = pixels(Circle(((30.5, 20.5),), 5))
    assert len(disc) == pytest.approx(np.pi * 25, rel=0.15)
    assert (20, 30) in disc
    moved = pixels(Circle(((30.5, 20.5), (60.5, 20.5)), 5))
    assert disc < moved
    assert {(20, c) for c in range(30, 61)} < moved
    assert pixels(Circle(((30.5, 20.5), (60.5, 20.5)), 5, inside=BLOCK)) == {p for p in moved if BLOCK[p]}


def test_a_line_of_one_pixel():
    assert pixels(Scribble(((10.5, 20.5), (14.5, 20.5)), 1)) == {(20, c) for c in range(10, 15)}
    assert pixels(Scribble(((95.5, 63.5), (300, 63.5)), 1)) == {(63, 95)}


@pytest.mark.parametrize(
    "prompt",
    [
        Polygon(((0, 0), (1e6, 0), (0, 1e6))),
        Polygon(((0, 0), (1e6, 0), (0, 1e6)), curve=True),
        Circle(((0, 0),), 1e6),
        Scribble(((-1e6, -1e6), (1e6, 1e6)), 1e6),
        Box(-1e6, -1e6, 1e6, 1e6),
    ],
)
def test_enormous_prompts_are_cut_off_at_once(prompt):
    found = pixels(prompt)
    assert found <= {(row, column) for row in range(64) for column in range(96)}
    assert len(found) == 64 * 96 or getattr(prompt, "curve", False)


@pytest.mark.parametrize("kind", [Scribble, Circle])
def test_a_limit_of_another_size(kind):
    prompt = kind(((30, 20),), 5, inside=torch.ones(9, 9, dtype=torch.bool))
    with pytest.raises(InputError, match=r"inside has shape \[9, 9\]; expected \[64, 96\], the size"):
        installed()[installed().kind_of(prompt)].encoder(8).region(prompt, Size(64, 96))


def test_a_plus_says_that_a_minus_belongs_to_the_number():
    assert parse_prompt("box=+-5,20,60,90") == Box(-5, 20, 60, 90)
    assert parse_prompt("box=--5,20,60,90") == Box(-5, 20, 60, 90, positive=False)
