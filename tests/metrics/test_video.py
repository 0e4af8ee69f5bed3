from __future__ import annotations

import json
from math import ceil, hypot
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from seemkit.metrics.video import VideoQuality, contour_accuracy, contours, over_frames, region_similarity

CASES = Path(__file__).parents[2].parent / "shared" / "metrics" / "video"
VOID = 255


def masks(*objects: list[str]) -> torch.Tensor:
    return torch.tensor([[[c == "x" for c in row] for row in rows] for rows in objects])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two small stacks of masks of one shape: empty, full, a single pixel, or any."""
    count, height, width = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 12))
    pixel = np.zeros((height, width), dtype=bool)
    pixel[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    mask = st.one_of(st.sampled_from([pixel, pixel & False, pixel | True]), arrays(bool, (height, width)))
    stack = st.lists(mask, min_size=count, max_size=count).map(np.stack)
    return draw(stack), draw(stack)


def slow_contour(mask: np.ndarray) -> set[tuple[int, int]]:
    """The definition, pixel by pixel: outside of the image there is no neighbor to differ from."""
    height, width = mask.shape
    return {
        (y, x)
        for y in range(height)
        for x in range(width)
        for down, right in ((0, 1), (1, 0), (1, 1))
        if y + down < height and x + right < width and mask[y, x] != mask[y + down, x + right]
    }


def slow_f(predicted: np.ndarray, target: np.ndarray) -> float:
    radius = ceil(0.008 * hypot(*target.shape))
    found, truth = slow_contour(predicted), slow_contour(target)
    if not found and not truth:
        return 1.0
    if not found or not truth:
        return 0.0

    def near(edge: set[tuple[int, int]], other: set[tuple[int, int]]) -> float:
        close = [p for p in edge if any((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 <= radius**2 for q in other)]
        return len(close) / len(edge)

    precision, recall = near(found, truth), near(truth, found)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def slow_j(predicted: np.ndarray, target: np.ndarray) -> float:
    union = (predicted | target).sum()
    return (predicted & target).sum() / union if union else 1.0


def slow_decay(values: list[float]) -> float:
    """As davis2017-evaluation rounds, with numpy's halves to even, but without its 8 bits."""
    ends = [int(np.round(1 + (len(values) - 1) * k / 4 + 1e-10)) - 1 for k in range(5)]
    return float(np.mean(values[ends[0] : ends[1] + 1]) - np.mean(values[ends[3] : ends[4] + 1]))


@settings(deadline=None, max_examples=100)
@given(pairs())
def test_equals_the_definitions(pair):
    predicted, target = pair
    stacks = torch.from_numpy(predicted), torch.from_numpy(target)
    found = [set(map(tuple, edge.nonzero().tolist())) for edge in contours(stacks[0])]
    assert found == [slow_contour(mask) for mask in predicted]
    expected = [(slow_j(p, t), slow_f(p, t)) for p, t in zip(predicted, target, strict=True)]
    got = torch.stack([region_similarity(*stacks), contour_accuracy(*stacks)], dim=1)
    assert got.dtype == torch.float64
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(125, 150), (97, 260)])  # 1.6 and 2.2 pixels of tolerance, rounded up
def test_tolerance_of_larger_frames(size):
    generator = np.random.default_rng(0)
    predicted, target = np.zeros((2, 2, *size), dtype=bool)
    for mask, other, farthest in zip(predicted, target, (4, 5), strict=True):
        for row, column in generator.integers(5, min(size) - 5, (8, 2)):
            down, right = generator.integers(-farthest, farthest + 1, 2)
            mask[row, column] = other[row + down, column + right] = True
    got = contour_accuracy(torch.from_numpy(predicted), torch.from_numpy(target))
    expected = [slow_f(p, t) for p, t in zip(predicted, target, strict=True)]
    assert all(0 < value < 1 for value in expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_known_frame():
    predicted = masks(["....", ".xx.", "....", "...."], ["xxxx"] * 4, ["xxxx"] * 4, ["...."] * 4)
    target = masks(["....", ".x..", "....", "...."], ["xxxx"] * 4, ["...."] * 4, ["x...", *["...."] * 3])
    assert region_similarity(predicted, target).tolist() == [0.5, 1, 0, 0]
    # object 1 of the target: contour (0,0) (0,1) (1,0) (1,1); of the prediction also (0,2) and (1,2), one pixel away.
    # A full mask has no contour, no more than an empty one; a single pixel in the corner has one pixel of contour.
    assert contour_accuracy(predicted, target).tolist() == [1, 1, 1, 0]
    assert contours(target).sum(dim=(1, 2)).tolist() == [4, 0, 0, 1]


def test_no_object_and_masks_of_other_shape():
    nothing = torch.zeros(0, 4, 5, dtype=torch.bool)
    assert region_similarity(nothing, nothing).shape == contour_accuracy(nothing, nothing).shape == (0,)
    for score in (region_similarity, contour_accuracy):
        with pytest.raises(ValueError, match=r"predicted \[0, 4, 5\], target \[1, 4, 5\]"):
            score(nothing, torch.zeros(1, 4, 5, dtype=torch.bool))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@example([0.5])
@example([0.25, 0.75])
@example([1.0, 0.5, 0.0])
@example(np.linspace(1, 0, 700).tolist())
def test_summary_of_an_object(values):
    got = over_frames(torch.tensor(values, dtype=torch.float64)[:, None])
    assert got["mean"].item() == pytest.approx(np.mean(values), abs=1e-12)
    assert got["recall"].item() == pytest.approx(np.mean([value > 0.5 for value in values]), abs=1e-12)
    assert got["decay"].item() == pytest.approx(slow_decay(values), abs=1e-12)


def test_decay_by_hand():
    """Nine frames have quarters 0-2 and 6-8; of two, the first has the first frame and the last the second."""
    nine = torch.tensor([[1.0, 0.9, 0.8, 0.1, 0.1, 0.1, 0.6, 0.5, 0.4]]).T
    assert over_frames(nine)["decay"].item() == pytest.approx(0.9 - 0.5, abs=1e-7)
    assert over_frames(nine)["recall"].item() == pytest.approx(4 / 9)
    assert over_frames(nine[[0, 8]])["decay"].item() == pytest.approx(0.6, abs=1e-7)
    assert over_frames(nine[:1])["decay"].item() == 0


def test_known_sequences():
    metric = VideoQuality()
    metric.update(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    metric.update(torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[0.4]], dtype=torch.float64))
    metric.update(torch.zeros(5, 0), torch.zeros(5, 0))
    # per object, not per sequence: J 1, 0, 0.7 and F 0.5, 0, 0.4
    expected = {"j_mean": 1.7 / 3, "j_recall": 2 / 3, "j_decay": 0, "f_mean": 0.3, "f_recall": 1 / 6, "f_decay": 1 / 3}
    expected["jf_mean"] = (1.7 / 3 + 0.3) / 2
    assert {name: value.item() for name, value in metric.compute().items()} == pytest.approx(expected, abs=1e-12)


def test_without_an_object_there_is_no_mean():
    metric = VideoQuality()
    metric.update(torch.zeros(1, 0), torch.zeros(1, 0))
    assert all(value.isnan() for value in metric.compute().values())


@pytest.mark.parametrize(("j", "f"), [((3, 2), (3, 1)), ((0, 2), (0, 2)), ((3,), (3,))])
def test_values_of_another_shape(j, f):
    with pytest.raises(ValueError, match=r"not both \[frames, objects\]"):
        VideoQuality().update(torch.zeros(j), torch.zeros(f))


def read_masks(path: Path, objects: int) -> torch.Tensor:
    """One mask an object; void is background."""
    with Image.open(path) as image:
        ids = torch.from_numpy(np.array(image))
    return ids == torch.arange(1, objects + 1)[:, None, None]


@pytest.mark.skipif(not CASES.exists(), reason=f"no reference cases of davis2017-evaluation at {CASES}")
def test_equals_davis2017_evaluation():
    expected = json.loads((CASES / "expected.json").read_text())
    names = {
        f"{measure}-{kind}": (measure.lower(), kind.lower()) for measure in "JF" for kind in ("Mean", "Recall", "Decay")
    }
    metric = VideoQuality()
    for sequence, frames in expected["frames"].items():
        truth, found = CASES / "DAVIS/Annotations/480p" / sequence, CASES / "Results" / sequence
        scores = []
        for frame in frames["frames_evaluated"]:
            target, predicted = (
                read_masks(folder / f"{frame}.png", frames["num_objects"]) for folder in (truth, found)
            )
            scores.append((region_similarity(predicted, target), contour_accuracy(predicted, target)))
        j, f = (torch.stack(values) for values in zip(*scores, strict=True))
        metric.update(j, f)
        summaries = {"j": over_frames(j), "f": over_frames(f)}
        for index in range(frames["num_objects"]):
            wanted = expected["objects"][f"{sequence}_{index + 1}"]
            np.testing.assert_allclose(j[:, index], wanted["J_per_frame"], rtol=0, atol=1e-9)
            np.testing.assert_allclose(f[:, index], wanted["F_per_frame"], rtol=0, atol=1e-9)
            for name, (measure, kind) in names.items():
                assert summaries[measure][kind][index].item() == pytest.approx(wanted[name], abs=1e-9, rel=0), name
    result = metric.compute()
    assert metric.objects == len(expected["objects"])
    assert result["jf_mean"].item() == pytest.approx(expected["global"]["J&F-Mean"], abs=1e-9, rel=0)
    for name, (measure, kind) in names.items():
        assert result[f"{measure}_{kind}"].item() == pytest.approx(expected["global"][name], abs=1e-9, rel=0), name
