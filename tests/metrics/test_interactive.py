from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seemkit.metrics.interactive import InteractiveIoU, number_of_clicks

CASES = Path(__file__).parents[2].parent / "shared" / "metrics" / "interactive"


@pytest.mark.parametrize(
    ("ious", "clicks"),
    [
        ([0.9, 0.1, 0.1], 1),
        ([0.1, 0.95, 0.2], 2),
        ([0.1, 0.2, 0.9], 3),
        ([0.1, 0.2, 0.3], 3),
        ([float("nan"), 1.0, 0.3], 2),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_number_of_clicks(ious, clicks, dtype):
    assert number_of_clicks(torch.tensor(ious, dtype=dtype), 0.9, max_clicks=3) == clicks


def test_rounds_beyond_the_last_click_do_not_count():
    assert number_of_clicks(torch.tensor([0.1, 0.2, 1.0]), 0.9, max_clicks=2) == 2


def test_exact_quotients_pass_in_both_precisions():
    for dtype in (torch.float32, torch.float64):
        ious = torch.tensor([[17], [9], [4], [1]], dtype=dtype) / torch.tensor([[20], [10], [5], [2]], dtype=dtype)
        clicks = [number_of_clicks(i, t).item() for i, t in zip(ious, (0.85, 0.9, 0.8, 0.5), strict=True)]
        assert clicks == [1, 1, 1, 1]


def test_known_answer():
    metric = InteractiveIoU(max_clicks=4)
    metric.update(torch.tensor([[0.6, 0.8, 0.9, 0.7], [0.2, 0.3, 0.4, 0.5]], dtype=torch.float64))
    metric.update(torch.ones(1, 4))
    metric.update(torch.ones(0, 4))
    result = metric.compute()
    torch.testing.assert_close(result.pop("iou_curve"), torch.tensor([1.8, 2.1, 2.3, 2.2], dtype=torch.float64) / 3)
    assert {name: value.item() for name, value in result.items()} == pytest.approx(
        {
            "noc_50": (1 + 4 + 1) / 3,
            "noc_80": (2 + 4 + 1) / 3,
            "noc_85": (3 + 4 + 1) / 3,
            "noc_90": (3 + 4 + 1) / 3,
            "k_noc_50": (4 + 1) / 2,
            "k_noc_80": (4 + 1) / 2,
            "k_noc_85": (4 + 1) / 2,
            "k_noc_90": (4 + 1) / 2,
            "nof_50": 1,
            "nof_80": 1,
            "nof_85": 1,
            "nof_90": 1,
            "iou_1click": 0.6,
            "iou_3clicks": 2.3 / 3,
        }
    )


def test_equals_naive_loop():
    """Clicks and failures of 1000 objects in 300 images, counted one by one."""
    generator = np.random.default_rng(0)
    metric, expected, of_images = InteractiveIoU(max_clicks=6), [], []
    for objects in generator.multinomial(1000, [1 / 300] * 300).tolist():
        ious = generator.choice([0.3, 0.5, 0.8, 0.85, 0.9, 0.95], (objects, 6))
        metric.update(torch.from_numpy(ious))
        clicks = [[next((k for k, v in enumerate(row, 1) if v >= t), 6) for t in (0.5, 0.8, 0.85, 0.9)] for row in ious]
        expected += clicks
        of_images += [[max(column) for column in zip(*clicks, strict=True)]] if clicks else []
    result = metric.compute()
    for index, percent in enumerate((50, 80, 85, 90)):
        column = [row[index] for row in expected]
        assert result[f"noc_{percent}"] == pytest.approx(sum(column) / 1000, abs=1e-12)
        assert result[f"nof_{percent}"] == column.count(6)
        largest = [row[index] for row in of_images]
        assert result[f"k_noc_{percent}"] == pytest.approx(sum(largest) / len(largest), abs=1e-12)


def test_another_number_of_rounds():
    with pytest.raises(ValueError, match=r"\[objects, 20 rounds\]"):
        InteractiveIoU().update(torch.ones(2, 3))


@pytest.mark.skipif(not CASES.exists(), reason=f"no reference cases of the RITM protocol at {CASES}")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_reference_cases(dtype):
    expected = json.loads((CASES / "expected.json").read_text())
    metric = InteractiveIoU()
    for case in expected["cases"]:
        quotients = torch.tensor(case["intersection"], dtype=dtype) / torch.tensor(case["union"], dtype=dtype)
        for threshold, clicks in case["noc"].items():
            assert number_of_clicks(quotients, float(threshold)) == clicks, (case["name"], threshold)
        metric.update(quotients[None])
    result = metric.compute()
    for name in ("80", "85", "90"):
        threshold = str(float(name) / 100)
        assert result[f"noc_{name}"].item() == pytest.approx(expected["mean_noc"][threshold], abs=1e-9, rel=0)
        assert result[f"nof_{name}"] == expected["num_at_max_clicks"][threshold]
    curve = torch.tensor(expected["mean_iou_per_round"], dtype=torch.float64)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(result["iou_curve"], curve, rtol=0, atol=tolerance)
    assert result["iou_5clicks"] == result["iou_curve"][4]
