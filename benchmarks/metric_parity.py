"""Compare seemkit's metrics with the results of the public tools, case by case.

    python benchmarks/metric_parity.py --cases DIR --json OUT

DIR contains any of the folders panoptic (panopticapi), video (davis2017-evaluation), interactive (the clicker and NoC
of RITM), instance (COCOeval) and referring (definitions of cIoU, mIoU and P@t), each with inputs and ``expected.json``.
The exit code is 1 if any number differs by more than 1e-6, or if any count or click differs.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seemkit.interactive.clicker import Click, next_click
from seemkit.metrics.average_precision import NAMES, Kind, average_precision
from seemkit.metrics.interactive import InteractiveIoU, number_of_clicks
from seemkit.metrics.panoptic import panoptic_counts, panoptic_qualities
from seemkit.metrics.referring import THRESHOLDS, ReferringIoU, overlaps
from seemkit.metrics.video import VideoQuality, contour_accuracy, over_frames, region_similarity
from seemkit.types import Panoptic, Segment

TOLERANCE = 1e-6
Pair = tuple[str, Any, Any]
"""Name of a comparison, seemkit's result and the tool's result; a result is a number or a list of numbers."""


def main() -> None:
    """Compare all folders and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True, help="folder of cases")
    parser.add_argument("--json", type=Path, help="output file for all differences")
    given = parser.parse_args()
    folders = {name: compare for name, compare in TOOLS.items() if (given.cases / name).is_dir()}
    if not folders:
        sys.exit(f"{given.cases}: contains none of the folders {', '.join(TOOLS)}")
    report = {name: _judge(list(compare(given.cases / name))) for name, compare in folders.items()}
    for name, found in report.items():
        wrong = f"{len(found['different'])} DIFFERENT" if found["different"] else "all equal"
        print(f"{name:12} {found['numbers']:6} numbers, {wrong}, largest difference {found['largest']:.1e}")
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(int(any(found["different"] for found in report.values())))


def panoptic(folder: Path) -> Iterator[Pair]:
    """Yield PQ, SQ and RQ of classes and averages, and the counts of every image."""
    truth, found, expected = (_json(folder / f"{name}.json") for name in ("gt", "pred", "expected"))
    categories = sorted(truth["categories"], key=lambda category: category["id"])
    label = {category["id"]: index for index, category in enumerate(categories)}
    by_image = {annotation["image_id"]: annotation for annotation in found["annotations"]}
    counts = torch.zeros(len(categories), 4, dtype=torch.float64)
    for annotation in truth["annotations"]:
        image = annotation["image_id"]
        own = panoptic_counts(
            _panoptic(folder / "pred", by_image[image], label), _panoptic(folder / "gt", annotation, label), len(label)
        )
        for category, row in expected["per_image"][str(image)].items():
            yield f"image {image}, class {category}", own[label[int(category)]].tolist(), _counts(row)
        counts += own
    qualities = panoptic_qualities(counts)
    for category, row in expected["per_class"].items():
        place = label[int(category)]
        ours = [float(qualities[name][place].nan_to_num()) for name in ("pq", "sq", "rq")]
        yield f"class {category}", ours, [row[name] for name in ("pq", "sq", "rq")]
        yield f"class {category}, counts", counts[place].tolist(), _counts(row)
    things = torch.tensor([bool(category["isthing"]) for category in categories])
    for group, members in {"All": things | True, "Things": things, "Stuff": ~things}.items():
        ours = [float(qualities[name][members].nanmean()) for name in ("pq", "sq", "rq")]
        yield group, ours, [expected[group][name] for name in ("pq", "sq", "rq")]
        yield f"{group}, classes", int((~qualities["pq"][members].isnan()).sum()), expected[group]["n"]


def video(folder: Path) -> Iterator[Pair]:
    """Yield J and F of every frame and object, and overall."""
    expected, metric = _json(folder / "expected.json"), VideoQuality()
    for sequence in (folder / "DAVIS/ImageSets/2017/val.txt").read_text().split():
        frames = sorted((folder / "DAVIS/Annotations/480p" / sequence).glob("*.png"))
        ids = _ids(frames[0])
        objects = torch.arange(1, int(ids[ids < 255].max()) + 1)[:, None, None]
        scores: list[tuple[Tensor, Tensor]] = []
        for frame in frames[1:-1]:
            truth, found = _ids(frame) == objects, _ids(folder / "Results" / sequence / frame.name) == objects
            scores.append((region_similarity(found, truth), contour_accuracy(found, truth)))
        j, f = (torch.stack(values) for values in zip(*scores, strict=True))
        metric.update(j, f)
        for letter, values in {"J": j, "F": f}.items():
            summary = over_frames(values)
            for index in range(len(objects)):
                answer = expected["objects"][f"{sequence}_{index + 1}"]
                where = f"{sequence}_{index + 1} {letter}"
                yield f"{where} per frame", values[:, index].tolist(), answer[f"{letter}_per_frame"]
                for name in ("mean", "recall", "decay"):
                    yield f"{where} {name}", float(summary[name][index]), answer[f"{letter}-{name.title()}"]
    result = metric.compute()
    for name, value in expected["global"].items():
        yield name, float(result[name.lower().replace("&", "").replace("-", "_")]), value


def interactive(folder: Path) -> Iterator[Pair]:
    """Yield clicks, IoU after each click and number of clicks of every case, and their means."""
    expected, metric = _json(folder / "expected.json"), InteractiveIoU()
    with np.load(folder / "masks.npz") as masks:
        for case, answer in zip(_json(folder / "cases.json"), expected["cases"], strict=True):
            truth = torch.from_numpy(masks[f"gt_{case['index']:02d}"])
            bits = np.unpackbits(masks[f"preds_{case['index']:02d}"], axis=1)[:, : truth.numel()]
            clicks, ious, counts = _click(torch.from_numpy(bits).bool().view(-1, *truth.shape), truth)
            metric.update(torch.tensor([ious], dtype=torch.float64))
            yield f"{case['name']} clicks", clicks[:-1], [_numbers(click) for click in answer["clicks"]]
            yield f"{case['name']} next click", clicks[-1], _numbers(answer["next_click_after_round_20"])
            yield f"{case['name']} iou", ious, answer["iou"]
            yield (
                f"{case['name']} pixels",
                counts,
                [[*p] for p in zip(answer["intersection"], answer["union"], strict=True)],
            )
            for threshold, count in answer["noc"].items():
                ours = number_of_clicks(torch.tensor(ious, dtype=torch.float64), float(threshold))
                yield f"{case['name']} NoC@{threshold}", int(ours), count
    result = metric.compute()
    yield "mean iou per round", result["iou_curve"].tolist(), expected["mean_iou_per_round"]
    for name, answers in (("noc", expected["mean_noc"]), ("nof", expected["num_at_max_clicks"])):
        for threshold, value in answers.items():
            yield f"{name}@{threshold}", float(result[f"{name}_{round(100 * float(threshold))}"]), value


def instance(folder: Path) -> Iterator[Pair]:
    """Yield COCO's twelve figures for masks and boxes, and the AP of every class."""
    truth, expected = _json(folder / "gt.json"), _json(folder / "expected.json")
    kinds: tuple[Kind, ...] = ("segm", "bbox")
    for kind in kinds:
        figures, classes = average_precision(truth, _json(folder / f"results_{kind}.json"), kind)
        names = [name for name in expected[kind] if not name.startswith("per_class")]
        for title, name, value in zip(names, NAMES, figures, strict=True):
            yield f"{kind} {name}", -1.0 if math.isnan(value) else value, expected[kind][title]
        ids = sorted(category["id"] for category in truth["categories"])
        for row, category in zip(np.nan_to_num(classes, nan=-1.0).tolist(), ids, strict=True):
            answer = [expected[kind][name][str(category)] for name in ("per_class_AP", "per_class_AP50")]
            yield f"{kind} class {category}", row, answer


def referring(folder: Path) -> Iterator[Pair]:
    """Yield cIoU, mIoU, P@t, and the pixel counts of every pair."""
    expected, metric = _json(folder / "expected.json"), ReferringIoU()
    with np.load(folder / "pairs.npz") as pairs:
        for index, (height, width) in enumerate(pairs["shapes"].tolist()):
            bits = (np.unpackbits(pairs[f"{name}_{index:03d}"])[: height * width] for name in ("pred", "gt"))
            found, truth = (torch.from_numpy(part).bool().view(1, height, width) for part in bits)
            metric.update(found, truth)
            pixels = [int(count) for count in overlaps(found, truth)]
            yield f"pair {index} pixels", pixels, [expected["intersection"][index], expected["union"][index]]
            yield f"pair {index} iou", pixels[0] / pixels[1], expected["iou"][index]
    result = metric.compute()
    yield "cIoU", float(result["referring_ciou"]), expected["cIoU"]
    yield "mIoU", float(result["referring_miou"]), expected["mIoU"]
    for threshold in THRESHOLDS:
        ours = float(result[f"referring_p{threshold * 100:.0f}"])
        yield f"P@{threshold}", ours, expected[f"P@{threshold}"]
        yield f"count@{threshold}", round(ours * expected["n"]), expected[f"count@{threshold}"]


TOOLS: dict[str, Callable[[Path], Iterator[Pair]]] = {
    "panoptic": panoptic,
    "video": video,
    "interactive": interactive,
    "instance": instance,
    "referring": referring,
}


def _judge(pairs: list[Pair]) -> dict[str, Any]:
    """Return the number of compared numbers, the largest difference, and the pairs that differ."""
    different, largest, numbers = [], 0.0, 0
    for where, ours, theirs in pairs:
        left, right = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
        numbers += right.size
        gap = float(np.abs(left - right).max(initial=0.0)) if left.shape == right.shape else math.inf
        exact = all(isinstance(value, int) for value in np.ravel(np.asarray(theirs, dtype=object)).tolist())
        if not gap <= (0 if exact else TOLERANCE):  # NaN differs from everything
            different.append({"where": where, "ours": ours, "tool": theirs})
        largest = max(largest, gap)
    return {"numbers": numbers, "largest": largest, "different": different}


def _panoptic(folder: Path, annotation: dict[str, Any], label: dict[int, int]) -> Panoptic:
    with Image.open(folder / annotation["file_name"]) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGB"))).long()
    segments = [
        Segment(record["id"], label[record["category_id"]], bool(record.get("iscrowd", 0)))
        for record in annotation["segments_info"]
    ]
    return Panoptic(pixels @ torch.tensor([1, 256, 65536]), segments)


def _counts(row: dict[str, float]) -> list[float]:
    return [row[name] for name in ("iou_sum", "tp", "fp", "fn")]


def _ids(path: Path) -> Tensor:
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture)).long()


def _click(found: Tensor, truth: Tensor) -> tuple[list[list[int]], list[float], list[list[int]]]:
    """Return the click before each round and after the last, and IoU, intersection and union of each round."""
    target, ignored = truth == 1, truth == -1
    clicked: list[Click] = []
    ious, counts = [], []
    for mask in [torch.zeros_like(target), *found]:
        if clicked:
            overlap, union = int((mask & target).sum()), int(((mask | target) & ~ignored).sum())
            ious.append(overlap / union)
            counts.append([overlap, union])
        clicked.append(next_click(mask, target, ignored, clicked))
    return [[click.x, click.y, int(click.positive)] for click in clicked], ious, counts


def _numbers(click: list[Any]) -> list[int]:
    return [int(value) for value in click]


def _json(path: Path) -> Any:  # noqa: ANN401 (the files hold different types)
    return json.loads(path.read_text())


if __name__ == "__main__":
    main()
