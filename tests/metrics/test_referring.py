from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from seemkit.metrics.referring import ReferringIoU

CASES = Path(__file__).parents[2].parent / "shared" / "metrics" / "referring"


def row(*masks: str) -> torch.Tensor:
    return torch.tensor([[[c == "#" for c in mask]] for mask in masks])


def test_known_answer_with_tags():
    metric = ReferringIoU(tags=("unseen", "relation", "never"))
    metric.update(row("##..", "####"), row("#...", "####"), [("unseen", "other"), ()])
    metric.update(row("...."), row("##.."), [("unseen", "relation")])
    result = {name: value.item() for name, value in metric.compute().items()}
    assert result.pop("referring_ciou_never") != result.get("referring_ciou_never")  # NaN
    assert result == pytest.approx(
        {
            "referring_ciou": 5 / 8,
            "referring_miou": 1.5 / 3,
            "referring_p50": 2 / 3,
            "referring_p60": 1 / 3,
            "referring_p70": 1 / 3,
            "referring_p80": 1 / 3,
            "referring_p90": 1 / 3,
            "referring_ciou_unseen": 1 / 4,
            "referring_ciou_relation": 0,
        }
    )


@pytest.mark.parametrize("percent", [50, 60, 70, 80, 90])
def test_precision_includes_the_threshold(percent):
    metric = ReferringIoU()
    metric.update(row("#" * (percent // 10) + "." * (10 - percent // 10)), row("#" * 10))
    assert metric.compute()[f"referring_p{percent}"] == 1


def test_two_empty_masks_are_a_miss():
    metric = ReferringIoU()
    metric.update(row("..", "##"), row("..", "##"))
    assert metric.compute()["referring_miou"] == 0.5


def test_no_phrase():
    metric = ReferringIoU(tags=("unseen",))
    metric.update(torch.zeros(0, 4, 5, dtype=torch.bool), torch.zeros(0, 4, 5, dtype=torch.bool), [])
    assert metric.phrases == 0
    assert metric.compute()["referring_ciou"].isnan()


def test_other_numbers_of_masks_and_tags():
    with pytest.raises(ValueError, match="masks differ"):
        ReferringIoU().update(row("##"), row("##", "##"))
    with pytest.raises(ValueError, match="2 phrases but 1 tuples"):
        ReferringIoU().update(row("##", "##"), row("##", "##"), [()])


def test_equals_naive_loop():
    """1000 pairs of masks, empty and full ones among them, against fractions."""
    generator = np.random.default_rng(0)
    metric, pixels = ReferringIoU(), []
    for _ in range(1000):
        share = generator.choice([0, 0.05, 0.5, 0.9, 1], 2)
        found, truth = generator.random((2, 4, 5)) < share[:, None, None]
        metric.update(torch.from_numpy(found[None]), torch.from_numpy(truth[None]))
        pairs = list(zip(found.flatten().tolist(), truth.flatten().tolist(), strict=True))
        pixels.append((sum(f and t for f, t in pairs), sum(f or t for f, t in pairs)))
    ious = [Fraction(overlap, max(union, 1)) for overlap, union in pixels]
    result = metric.compute()
    assert result["referring_ciou"] == pytest.approx(sum(o for o, _ in pixels) / sum(u for _, u in pixels), abs=1e-12)
    assert result["referring_miou"] == pytest.approx(float(sum(ious) / 1000), abs=1e-12)
    for tenths in range(5, 10):
        assert result[f"referring_p{tenths}0"] == sum(iou >= Fraction(tenths, 10) for iou in ious) / 1000


@pytest.mark.skipif(not CASES.exists(), reason=f"no reference cases of referring IoU at {CASES}")
def test_equals_reference_cases():
    expected, metric = json.loads((CASES / "expected.json").read_text()), ReferringIoU()
    with np.load(CASES / "pairs.npz") as pairs:
        for index, (height, width) in enumerate(pairs["shapes"].tolist()):
            predicted, target = (
                torch.from_numpy(np.unpackbits(pairs[f"{name}_{index:03d}"])[: height * width]).bool()
                for name in ("pred", "gt")
            )
            metric.update(predicted.view(1, height, width), target.view(1, height, width))
    result = {name: value.item() for name, value in metric.compute().items()}
    assert metric.phrases == expected["n"]
    assert result["referring_ciou"] == pytest.approx(expected["cIoU"], abs=1e-9, rel=0)
    assert result["referring_miou"] == pytest.approx(expected["mIoU"], abs=1e-9, rel=0)
    for index, percent in enumerate((50, 60, 70, 80, 90)):
        assert metric.sums[3 + index] == expected[f"count@{percent / 100}"]
        assert result[f"referring_p{percent}"] == pytest.approx(expected[f"P@{percent / 100}"], abs=1e-9, rel=0)
