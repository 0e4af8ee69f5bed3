from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.errors import InputError
from seemkit.metrics.panoptic import PanopticQuality, panoptic_counts
from seemkit.types import Panoptic, Segment, Vocabulary

CASES = Path(__file__).parents[2].parent / "shared" / "metrics" / "panoptic"


def panoptic(rows: list[str], segments: list[tuple[int, int] | tuple[int, int, bool]]) -> Panoptic:
    return Panoptic(torch.tensor([[int(c) for c in row] for row in rows]), [Segment(*s) for s in segments])


def counts(predicted: Panoptic, target: Panoptic, num_classes: int = 2) -> list[list[float]]:
    return panoptic_counts(predicted, target, num_classes).tolist()


def test_perfect_prediction():
    target = panoptic(["1122", "1133"], [(1, 0), (2, 1), (3, 1)])
    predicted = panoptic(["4422", "4411"], [(1, 1), (2, 1), (4, 0)])
    assert counts(predicted, target) == [[1, 1, 0, 0], [2, 2, 0, 0]]


def test_wrong_class_is_missed_and_spurious():
    target = panoptic(["1111"], [(1, 0)])
    assert counts(panoptic(["5555"], [(5, 1)]), target) == [[0, 0, 0, 1], [0, 0, 1, 0]]


def test_iou_of_one_half_is_no_match():
    target = panoptic(["1122"], [(1, 0), (2, 1)])
    assert counts(panoptic(["1111"], [(1, 0)]), target) == [[0, 0, 1, 1], [0, 0, 0, 1]]


def test_void_is_left_out_of_the_union():
    target = panoptic(["110000"], [(1, 0)])
    assert counts(panoptic(["111111"], [(1, 0)]), target)[0] == [1, 1, 0, 0]


@pytest.mark.parametrize(("row", "spurious"), [("0011", 1), ("0001", 0)])
def test_more_than_half_on_void_is_excused(row, spurious):
    target = panoptic([row], [(1, 1)])
    assert counts(panoptic(["2222"], [(2, 0)]), target)[0] == [0, 0, spurious, 0]


def test_crowd_is_never_missed_and_excuses_its_own_class_only():
    target = panoptic(["1112"], [(1, 0, True), (2, 1)])
    assert counts(panoptic(["3333"], [(3, 0)]), target) == [[0, 0, 0, 0], [0, 0, 0, 1]]
    assert counts(panoptic(["3330"], [(3, 1)]), target) == [[0, 0, 0, 0], [0, 0, 1, 1]]


def test_of_two_crowds_of_a_class_the_last_listed_counts():
    predicted = panoptic(["3333"], [(3, 0)])
    rows = ["1112"]
    assert counts(predicted, panoptic(rows, [(2, 0, True), (1, 0, True)]))[0] == [0, 0, 0, 0]
    assert counts(predicted, panoptic(rows, [(1, 0, True), (2, 0, True)]))[0] == [0, 0, 1, 0]


def test_listed_target_without_pixels_is_missed():
    assert counts(panoptic(["00"], []), panoptic(["00"], [(1, 0)]))[0] == [0, 0, 0, 1]


def test_unlisted_target_id_is_no_void():
    assert counts(panoptic(["22"], [(2, 0)]), panoptic(["77"], []))[0] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (panoptic(["12"], [(1, 0)]), "1 pixels have an id"),
        (panoptic(["11"], [(1, 0), (2, 0)]), r"segments \[2\]: no pixels in the map"),
        (panoptic(["11"], [(1, 2)]), "label 2 is outside 0..1"),
    ],
)
def test_inconsistent_prediction(predicted, message):
    with pytest.raises(InputError, match=message):
        counts(predicted, panoptic(["11"], [(1, 0)]))


def test_maps_of_different_size():
    with pytest.raises(ValueError, match=r"predicted \[1, 2\], target \[1, 3\]"):
        counts(panoptic(["11"], [(1, 0)]), panoptic(["111"], [(1, 0)]))


def naive_counts(predicted: Panoptic, target: Panoptic, num_classes: int) -> np.ndarray:
    """The same rules with a loop over pixels and pairs."""
    pairs = Counter(zip(target.ids.flatten().tolist(), predicted.ids.flatten().tolist(), strict=True))
    target_area = Counter(target.ids.flatten().tolist())
    predicted_area = Counter(predicted.ids.flatten().tolist())
    result, matched = np.zeros((num_classes, 4)), set()
    for t in target.segments:
        for p in predicted.segments:
            union = predicted_area[p.id] + target_area[t.id] - pairs[t.id, p.id] - pairs[0, p.id]
            if t.label == p.label and not t.crowd and union and pairs[t.id, p.id] / union > 0.5:
                result[t.label, :2] += pairs[t.id, p.id] / union, 1
                matched |= {("target", t.id), ("predicted", p.id)}
    crowds = {t.label: t.id for t in target.segments if t.crowd}
    for t in target.segments:
        result[t.label, 3] += ("target", t.id) not in matched and not t.crowd
    for p in predicted.segments:
        excused = pairs[0, p.id] + (pairs[crowds[p.label], p.id] if p.label in crowds else 0)
        result[p.label, 2] += ("predicted", p.id) not in matched and excused / predicted_area[p.id] <= 0.5
    return result


def random_panoptic(generator: np.random.Generator, ids: np.ndarray) -> Panoptic:
    listed = [i for i in np.unique(ids).tolist() if i]
    generator.shuffle(listed)
    labels, crowd = generator.integers(0, 3, len(listed)).tolist(), (generator.random(len(listed)) < 0.3).tolist()
    return Panoptic(torch.tensor(ids), [Segment(*s) for s in zip(listed, labels, crowd, strict=True)])


@pytest.mark.parametrize("scale", [1, 65537])  # ids that a table of the map's size holds, and larger ones
def test_equals_naive_loop(scale):
    """500 pairs of maps with void, crowds, single pixels, nothing at all and one segment everywhere."""
    generator = np.random.default_rng(scale)
    for case in range(500):
        ids = np.kron(generator.integers(0, 7, (3, 4)), np.ones((4, 4), np.int64))
        other = generator.integers(0, 9, ids.shape)
        noisy = np.where(generator.random(ids.shape) < generator.choice([0.02, 0.25, 1]), other, ids)
        if case % 10 == 0:
            ids[:], noisy[:] = generator.integers(0, 2, 2)[:, None, None]
        target, predicted = random_panoptic(generator, ids * scale), random_panoptic(generator, noisy * scale)
        torch.testing.assert_close(
            panoptic_counts(predicted, target, 3).numpy(), naive_counts(predicted, target, 3), rtol=0, atol=1e-12
        )


def test_averages_run_over_counted_classes():
    metric = PanopticQuality(Vocabulary(("cat", "dog", "sky"), (True, True, False)))
    metric.update(panoptic(["1122"], [(1, 0), (2, 1)]), panoptic(["1133"], [(1, 0), (3, 0)]))
    result = metric.compute()
    # cat: one of two found (PQ 1 / 1.5); dog: only a false positive (0); sky: nowhere
    assert result["pq"].item() == pytest.approx((1 / 1.5) / 2)
    assert result["sq_things"].item() == pytest.approx(0.5)
    assert result["pq_stuff"].isnan()
    assert set(result) == {q + g for q in ("pq", "sq", "rq") for g in ("", "_things", "_stuff")}
    torch.testing.assert_close(
        metric.per_class()["rq"], torch.tensor([1 / 1.5, 0, torch.nan], dtype=torch.float64), equal_nan=True
    )


def read_panoptic(folder: Path, annotation: dict, labels: dict[int, int]) -> Panoptic:
    with Image.open(folder / annotation["file_name"]) as image:
        rgb = torch.from_numpy(np.array(image)).long()
    segments = [
        Segment(s["id"], labels[s["category_id"]], bool(s.get("iscrowd", 0))) for s in annotation["segments_info"]
    ]
    return Panoptic(rgb @ torch.tensor([1, 256, 65536]), segments)


@pytest.mark.skipif(not CASES.exists(), reason=f"no reference cases of panopticapi at {CASES}")
def test_equals_panopticapi():
    truth, expected = (json.loads((CASES / name).read_text()) for name in ("gt.json", "expected.json"))
    found = {a["image_id"]: a for a in json.loads((CASES / "pred.json").read_text())["annotations"]}
    categories = truth["categories"]
    labels = {category["id"]: label for label, category in enumerate(categories)}
    metric = PanopticQuality(
        Vocabulary(tuple(c["name"] for c in categories), tuple(bool(c["isthing"]) for c in categories))
    )
    for annotation in truth["annotations"]:
        target = read_panoptic(CASES / "gt", annotation, labels)
        predicted = read_panoptic(CASES / "pred", found[annotation["image_id"]], labels)
        of_image = panoptic_counts(predicted, target, len(labels))
        expected_of_image = expected["per_image"][str(annotation["image_id"])]
        for category, label in labels.items():
            wanted = expected_of_image.get(str(category), dict.fromkeys(("iou_sum", "tp", "fp", "fn"), 0))
            got = dict(zip(("iou_sum", "tp", "fp", "fn"), of_image[label].tolist(), strict=True))
            assert got == pytest.approx(wanted, abs=1e-9, rel=0), (annotation["file_name"], category)
        metric.update(predicted, target)

    result = metric.compute()
    for group, suffix in (("All", ""), ("Things", "_things"), ("Stuff", "_stuff")):
        for quality in ("pq", "sq", "rq"):
            assert result[quality + suffix].item() == pytest.approx(expected[group][quality], abs=1e-9, rel=0)
    per_class = metric.per_class()
    for category, label in labels.items():
        for quality in ("pq", "sq", "rq"):
            got = per_class[quality][label].nan_to_num().item()
            assert got == pytest.approx(expected["per_class"][str(category)][quality], abs=1e-9, rel=0)
