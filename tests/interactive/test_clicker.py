from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seemkit.interactive.clicker import Click, first_click, next_click, official_click
from seemkit.ops.distance import kornia_depth

CASES = Path(__file__).parents[2].parent / "shared" / "metrics" / "interactive"


def mask(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def test_first_click_is_the_center():
    assert first_click(mask(".....", ".###.", ".###.", ".###.")) == Click(2, 2, positive=True)


def test_image_border_is_an_edge():
    assert first_click(torch.ones(5, 7, dtype=torch.bool)) == Click(2, 2, positive=True)


def test_first_of_equal_pixels_in_raster_order():
    assert first_click(mask("..#", "#..", "..#")) == Click(2, 0, positive=True)


def test_negative_where_the_false_part_is_deeper_or_as_deep():
    target, predicted = mask("###......"), mask("....#####")
    assert next_click(predicted, target) == Click(4, 0, positive=False)
    deeper = torch.cat([predicted] * 3)
    assert next_click(deeper, torch.cat([target, ~target & False, target])) == Click(5, 1, positive=False)


def test_clicked_pixel_is_not_clicked_again_but_counts_for_its_neighbors():
    target = mask("#####", "#####", "#####")
    predicted, clicks = torch.zeros_like(target), []
    for _ in range(4):
        clicks.append(next_click(predicted, target, clicked=clicks))
    assert clicks == [Click(x, y, positive=True) for x, y in ((1, 1), (2, 1), (3, 1), (0, 0))]


def test_ignored_pixels_are_no_error():
    target, predicted = mask("##.."), mask("....")
    assert next_click(predicted, target, ignored=mask("#...")) == Click(1, 0, positive=True)
    assert next_click(mask("...#"), mask("...."), ignored=mask("...#")) == Click(0, 0, positive=False)


def test_no_error_left():
    target = mask("..#")
    assert next_click(target, target) == Click(0, 0, positive=False)
    assert next_click(mask("..."), target, clicked=[Click(2, 0, positive=True)]) == Click(0, 0, positive=False)


def test_maps_of_different_size():
    with pytest.raises(ValueError, match="differ in size"):
        next_click(mask("##"), mask("###"))


def naive_click(predicted, target, ignored, clicked):
    """The rule with a loop over all pairs of pixels and integer squared distances."""

    def deepest(error):
        padded = np.pad(error, 1)
        zeros, depth = np.argwhere(~padded), np.zeros(error.shape, np.int64)
        for y, x in np.argwhere(error):
            depth[y, x] = ((zeros - (y + 1, x + 1)) ** 2).sum(axis=1).min()
        for click in clicked:
            depth[click.y, click.x] = 0
        return depth.max(), np.unravel_index(depth.argmax(), depth.shape)

    missed, (missed_y, missed_x) = deepest(target & ~predicted & ~ignored)
    false, (false_y, false_x) = deepest(~target & predicted & ~ignored)
    return Click(missed_x, missed_y, True) if missed > false else Click(false_x, false_y, False)


@pytest.mark.parametrize("seed", range(20))
def test_equals_naive_loop(seed):
    generator = np.random.default_rng(seed)
    coarse = generator.random((3, 4, 5)) < [[[0.4]], [[0.6]], [[0.1]]]
    predicted, target, ignored = np.kron(coarse, np.ones((1, 4, 4), bool)) ^ (generator.random((3, 16, 20)) < 0.03)
    clicks: list[Click] = []
    for _ in range(6):
        click = next_click(*(torch.from_numpy(m) for m in (predicted, target, ignored)), clicks)
        assert click == naive_click(predicted, target, ignored, clicks)
        clicks.append(click)


def test_the_official_click_counts_pixels():
    """The missed part is deeper, the false one larger: the exact rule clicks the one, the official rule the other."""
    target, predicted = mask("###......", "###......", "###......"), mask(".......##", ".......##", ".......##")
    assert next_click(predicted, target) == Click(1, 1, positive=True)
    assert official_click(predicted, target) == Click(1, 1, positive=True)
    predicted = mask("....#.###", "....#.#.#", "....#.###")
    assert next_click(predicted, target) == Click(1, 1, positive=True)
    assert not official_click(predicted, target).positive


def test_the_official_click_is_content_with_a_good_mask():
    target = torch.ones(10, 10, dtype=torch.bool)
    predicted = target.clone()
    predicted[0, :8] = False
    assert official_click(predicted, target).positive  # 0.92
    predicted[0, 0] = True  # 0.93
    assert official_click(predicted, target) is None
    ignored = torch.zeros_like(target)
    predicted[:] = False
    ignored[:] = True
    assert official_click(predicted, target, ignored) is None


def test_the_official_click_looks_past_earlier_ones():
    target, predicted = torch.zeros(12, 12, dtype=torch.bool), torch.zeros(12, 12, dtype=torch.bool)
    target[1:6, 1:6] = True
    first = official_click(predicted, target)
    assert first == Click(3, 3, positive=True)
    second = official_click(predicted, target, clicked=[first])
    assert max(abs(second.x - 3), abs(second.y - 3)) == 2
    everything = [Click(x, y, positive=True) for x in range(12) for y in range(12)]
    assert official_click(predicted, target, clicked=everything) == Click(0, 0, positive=False)


def reference_cases():
    if not CASES.exists():
        return [pytest.param(None, None, marks=pytest.mark.skip(reason=f"no reference cases of RITM at {CASES}"))]
    facts = json.loads((CASES / "cases.json").read_text())
    expected = json.loads((CASES / "expected.json").read_text())["cases"]
    return [pytest.param(fact, answer, id=fact["name"]) for fact, answer in zip(facts, expected, strict=True)]


@pytest.mark.parametrize(("case", "expected"), reference_cases())
def test_equals_reference_clicks(case, expected):
    with np.load(CASES / "masks.npz") as masks:
        truth = torch.from_numpy(masks[f"gt_{case['index']:02d}"])
        bits = np.unpackbits(masks[f"preds_{case['index']:02d}"], axis=1)[:, : truth.numel()]
    rounds = torch.from_numpy(bits).bool().view(-1, *truth.shape)
    predicted, clicks = torch.zeros_like(rounds[0]), []
    for after in [*rounds, None]:
        clicks.append(next_click(predicted, truth == 1, truth == -1, clicks))
        predicted = after
    wanted = [Click(x, y, bool(positive)) for x, y, positive in expected["clicks"]]
    assert clicks[:-1] == wanted
    x, y, positive = expected["next_click_after_round_20"]
    assert clicks[-1] == Click(x, y, bool(positive))


def test_equals_the_reference_with_its_distance_transform(golden_file):
    with np.load(golden_file("click.golden.npz")) as file:
        for object_mask, depth, (y, x) in zip(file["masks"], file["dt"], file["argmax_yx"], strict=True):
            np.testing.assert_allclose(kornia_depth(object_mask), depth, atol=1e-5)
            truth = torch.from_numpy(object_mask)
            found = official_click(torch.zeros_like(truth), truth) or Click(0, 0, positive=False)  # of nothing, none
            assert (found.y, found.x) == (y, x)
            assert found.positive is bool(object_mask.any())


def test_equals_exact_distance_of_reference_masks(golden_file):
    with np.load(golden_file("click.golden.npz")) as file:
        # the last mask is empty
        for object_mask, (y, x) in zip(file["masks"][:-1], file["edt_argmax_yx"], strict=False):
            assert first_click(torch.from_numpy(object_mask)) == Click(x, y, positive=True)
