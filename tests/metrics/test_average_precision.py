from __future__ import annotations

import contextlib
import io
import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from seemkit.metrics.average_precision import NAMES, AveragePrecision, average_precision
from seemkit.types import Instances, Target, Vocabulary

CASES = Path(__file__).parents[2].parent / "shared" / "metrics" / "instance"
VOCABULARY = Vocabulary(("cat", "sky", "dog"), (True, False, True))


def instances(masks: torch.Tensor, labels: list[int], scores: list[float]) -> Instances:
    order = torch.arange(len(labels))
    return Instances(masks, torch.tensor(labels), torch.tensor(scores, dtype=torch.float64), order)


def target(masks: torch.Tensor, labels: list[int], crowd: list[bool] | None = None) -> Target:
    return Target(masks, torch.tensor(labels), torch.tensor(crowd or [False] * len(labels)))


def squares(*corners: tuple[int, int], side: int = 10, size: int = 40) -> torch.Tensor:
    masks = torch.zeros(len(corners), size, size, dtype=torch.bool)
    for mask, (x, y) in zip(masks, corners, strict=True):
        mask[y : y + side, x : x + side] = True
    return masks


def by_pycocotools(truth: dict, found: list[dict], kind: str) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = deepcopy(truth)
        dataset.createIndex()
        tool = COCOeval(dataset, dataset.loadRes(deepcopy(found)), kind)
        tool.evaluate()
        tool.accumulate()
        tool.summarize()
    return np.where(tool.stats < 0, np.nan, tool.stats).tolist()


def test_all_found():
    metric = AveragePrecision(VOCABULARY)
    metric.update(
        "a.png", instances(squares((0, 0), (20, 20)), [0, 2], [0.9, 0.3]), target(squares((0, 0), (20, 20)), [0, 2])
    )
    result = {name: value.item() for name, value in metric.compute().items()}
    assert result["ap"] == result["box_ap"] == result["ap_small"] == result["ar_100"] == pytest.approx(1)
    assert np.isnan(result["ap_large"])


def test_hand_computed_precision():
    """Two cats: found with 0.9 (right), 0.8 (wrong), 0.7 (right): precision 1 to recall 1/2, then 2/3 to recall 1."""
    metric = AveragePrecision(VOCABULARY)
    found = instances(squares((0, 0), (5, 25), (20, 20)), [0, 0, 0], [0.9, 0.8, 0.7])
    metric.update("a.png", found, target(squares((0, 0), (20, 20)), [0, 0]))
    assert metric.compute()["ap"].item() == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_classes_apart_and_stuff_left_out():
    metric = AveragePrecision(VOCABULARY)
    found = instances(squares((0, 0), (20, 20)), [0, 0], [0.9, 0.8])
    metric.update("a.png", found, target(squares((0, 0), (20, 20), (0, 20)), [0, 2, 1]))
    torch.testing.assert_close(
        metric.per_class()["ap"], torch.tensor([1.0, torch.nan, 0.0], dtype=torch.float64), equal_nan=True
    )


def test_a_crowd_takes_any_number_and_is_never_missed():
    metric = AveragePrecision(VOCABULARY)
    found = instances(squares((0, 0), (20, 20), (22, 22), side=6), [0, 0, 0], [0.5, 0.9, 0.8])
    crowd = squares((18, 18), side=16)
    metric.update("a.png", found, target(torch.cat([squares((0, 0), side=6), crowd]), [0, 0], [False, True]))
    assert metric.compute()["ap"].item() == pytest.approx(1)


def test_stated_areas_decide_the_size():
    metric = AveragePrecision(VOCABULARY)
    truth = target(squares((0, 0)), [0])
    truth.areas = torch.tensor([5000.0], dtype=torch.float64)
    metric.update("a.png", instances(squares((0, 0)), [0], [0.5]), truth)
    result = metric.compute()
    assert result["ap_small"].isnan()
    assert result["ap_medium"].item() == pytest.approx(1)


def test_order_of_updates_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    images = []
    for number in range(6):
        masks = squares(*[(int(x), int(y)) for x, y in torch.randint(0, 30, (4, 2), generator=generator)])
        found = instances(masks, [0, 0, 2, 2], [0.5, 0.5, 0.25, 0.25])  # ties across images
        images.append((f"{number}.png", found, target(masks.roll(number % 3, 2), [0, 2, 2, 0])))
    results = []
    for order in (images, images[::-1]):
        metric = AveragePrecision(VOCABULARY)
        for image in order:
            metric.update(*image)
        results.append({name: value.item() for name, value in metric.compute().items()})
    assert results[0] == pytest.approx(results[1], abs=0, nan_ok=True)


def test_nothing_found_and_nothing_there():
    metric = AveragePrecision(VOCABULARY)
    assert all(value.isnan() for value in metric.compute().values())
    none = instances(squares(), [], [])
    metric.update("a.png", none, target(squares((0, 0)), [0]))
    assert metric.compute()["ap"].item() == 0


def test_masks_of_another_size():
    with pytest.raises(ValueError, match=r"predicted \[40, 40\], target \[20, 20\]"):
        AveragePrecision(VOCABULARY).update("a", instances(squares(), [], []), target(squares(size=20), []))


@pytest.mark.parametrize("kind", ["segm", "bbox"])
@pytest.mark.parametrize("seed", range(10))
def test_equals_pycocotools(kind, seed):
    rng = np.random.default_rng(seed)
    metric = AveragePrecision(Vocabulary(("a", "b", "c"), (True, True, True)))
    for number in range(5):
        truth_masks, found_masks = (random_masks(rng, int(rng.integers(0, 7))) for _ in range(2))
        near = truth_masks.roll(int(rng.integers(0, 4)), 2)
        masks = torch.cat([found_masks, near])
        labels = rng.integers(0, 3, len(masks)).tolist()
        found = instances(masks, labels, rng.choice([0.1, 0.5, 0.5, 0.9], len(masks)).tolist())
        crowd = (rng.random(len(truth_masks)) < 0.2).tolist()
        metric.update(f"{number}", found, target(truth_masks, rng.integers(0, 3, len(truth_masks)).tolist(), crowd))
    truth, results = metric._coco(kind)
    before = deepcopy((truth, results))
    ours = average_precision(truth, results, kind)[0]
    assert (truth, results) == before
    assert ours == pytest.approx(by_pycocotools(truth, results, kind), abs=1e-6, nan_ok=True)


def random_masks(rng: np.random.Generator, count: int) -> torch.Tensor:
    masks = torch.zeros(count, 120, 120, dtype=torch.bool)
    for mask in masks:
        (x, y), (width, height) = rng.integers(0, 60, 2), rng.integers(1, 60, 2)
        mask[y : y + height, x : x + width] = True
    return masks


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_public_tool(kind):
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    truth, found = (json.loads((CASES / name).read_text()) for name in ("gt.json", f"results_{kind}.json"))
    expected = json.loads((CASES / "expected.json").read_text())[kind]
    figures, classes = average_precision(truth, found, kind)
    names = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
    assert dict(zip(NAMES, figures, strict=True)) == pytest.approx(
        dict(zip(NAMES, [expected[name] for name in names], strict=True)), abs=1e-9
    )
    ids = sorted(category["id"] for category in truth["categories"])
    for row, category in zip(classes, ids, strict=True):
        assert row[0] == pytest.approx(expected["per_class_AP"][str(category)], abs=1e-9)
        assert row[1] == pytest.approx(expected["per_class_AP50"][str(category)], abs=1e-9)
