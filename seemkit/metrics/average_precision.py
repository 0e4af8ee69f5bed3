"""Average precision of instances and their boxes, as COCO's tool computes it (Lin et al., Microsoft COCO, ECCV 2014).

The figures come from faster-coco-eval, a C++ version of pycocotools' COCOeval with the same results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from jaxtyping import Bool
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from seemkit.ops.rle import encode_mask
from seemkit.types import Instances, Target, Vocabulary

Kind = Literal["segm", "bbox"]
PREFIXES: Mapping[str, Kind] = {"": "segm", "box_": "bbox"}
NAMES = (
    "ap",
    "ap_50",
    "ap_75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar_1",
    "ar_10",
    "ar_100",
    "ar_small",
    "ar_medium",
    "ar_large",
)
"""COCO's twelve figures in the order of its summary."""


class AveragePrecision(Metric):
    """AP and AR of instance masks and of the boxes around them, in 0..1, over the thing classes of a vocabulary.

    Unlike the other metrics, this one stores data of every image: predictions and truth as run lengths, one line of
    JSON per image. `compute` gathers the lines of all processes once and passes them to faster-coco-eval, sorted by
    image name, so that ties are broken alike on any number of processes.

    Attributes:
        lines: uint8 tensors, one line of JSON per image.
    """

    full_state_update = False
    higher_is_better = True
    lines: list[Tensor]

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.add_state("lines", [], dist_reduce_fx="cat")

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the lines; from a process without images torchmetrics gathers an empty tensor of this dtype."""
        return torch.uint8

    def update(self, image: str, found: Instances, target: Target) -> None:
        """Add one image.

        Args:
            image: unique name of the image.
            found: predicted instances, at the size of the target.
            target: ground truth. Stuff is ignored; crowds excuse predictions as in COCO's tool. Small, medium and
                large are decided by the target's `areas`, or by the areas of its masks if `areas` is None.

        Raises:
            ValueError: the predicted masks differ in size from the target's.
        """
        if found.masks.shape[1:] != target.masks.shape[1:]:
            raise ValueError(f"masks differ: predicted {[*found.masks.shape[1:]]}, target {[*target.masks.shape[1:]]}")
        record = {"image": image, "size": [*target.size], "truth": self._truth(target), "found": _found(found)}
        line = bytearray(json.dumps(record) + "\n", "utf-8")
        self.lines.append(torch.frombuffer(line, dtype=torch.uint8).to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Return the scalars ap, ap_50, ap_75, ap_small, ..., ar_large of masks, and the same of boxes as box_ap etc.

        A figure is NaN if the truth has no instance of its size.
        """
        return {
            prefix + name: torch.tensor(value, dtype=torch.float64)
            for prefix, kind in PREFIXES.items()
            for name, value in zip(NAMES, average_precision(*self._coco(kind), kind)[0], strict=True)
        }

    def per_class(self) -> dict[str, Tensor]:
        """Return ap and ap_50 of each class's masks, [K]; NaN for stuff and for classes without an instance.

        Call it on every process, like `compute`.
        """
        with self.sync_context():
            classes = average_precision(*self._coco("segm"), "segm")[1]
        found = torch.full((2, len(self.vocabulary)), torch.nan, dtype=torch.float64)
        found[:, torch.tensor(self.vocabulary.things)] = torch.from_numpy(classes.T)
        return {"ap": found[0], "ap_50": found[1]}

    def _truth(self, target: Target) -> list[dict[str, Any]]:
        stated = target.areas if target.areas is not None else target.masks.flatten(1).sum(dim=1)
        return [
            {"category_id": label + 1, "iscrowd": int(crowd), "area": area, **_shape(mask)}
            for mask, label, crowd, area in zip(
                target.masks, target.labels.tolist(), target.crowd.tolist(), stated.tolist(), strict=True
            )
            if self.vocabulary.things[label]
        ]

    def _coco(self, kind: Kind) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return all images in COCO's format: the truth, and the results of one kind."""
        joined = bytes(dim_zero_cat(self.lines).cpu().numpy()) if len(self.lines) else b""
        records = sorted((json.loads(line) for line in joined.splitlines()), key=lambda record: str(record["image"]))
        truth = [{**shape, "image_id": i} for i, record in enumerate(records, start=1) for shape in record["truth"]]
        unused = "bbox" if kind == "segm" else "segmentation"  # with both, COCO's tool takes the area of the box
        results = [
            {**{key: value for key, value in shape.items() if key != unused}, "image_id": i}
            for i, record in enumerate(records, start=1)
            for shape in record["found"]
        ]
        pairs = zip(self.vocabulary.names, self.vocabulary.things, strict=True)
        dataset = {
            "images": [
                {"id": i, "height": record["size"][0], "width": record["size"][1]}
                for i, record in enumerate(records, start=1)
            ],
            "annotations": [{**shape, "id": i} for i, shape in enumerate(truth, start=1)],
            "categories": [{"id": i, "name": name} for i, (name, thing) in enumerate(pairs, start=1) if thing],
        }
        return dataset, results


def average_precision(
    truth: Mapping[str, Any], found: Sequence[Mapping[str, Any]], kind: Kind
) -> tuple[list[float], NDArray[np.float64]]:
    """Return COCO's twelve figures in 0..1, in the order of `NAMES`, and AP and AP50 per category, float64 [C, 2].

    A figure without truth is NaN; COCO's tool prints -1.

    Args:
        truth: ground truth in COCO's instance format, with run lengths; annotation ids are above 0.
        found: predictions in COCO's result format, with run lengths for ``segm`` and boxes for ``bbox``.
        kind: what to compare, masks or boxes.
    """
    categories = len(truth["categories"])
    if not truth["annotations"]:
        return [float("nan")] * len(NAMES), np.full((categories, 2), np.nan)
    # the tool modifies the records that it is given
    dataset = COCO({**truth, "annotations": [dict(annotation) for annotation in truth["annotations"]]})
    results = dataset.loadRes([dict(result) for result in found])
    tool = COCOeval_faster(dataset, results, iouType=kind, print_function=lambda *_: None)
    tool.evaluate()
    tool.accumulate()
    tool.summarize()
    stats = np.asarray(tool.stats, dtype=np.float64)[: len(NAMES)]
    precision = np.asarray(tool.eval["precision"], dtype=np.float64)[:, :, :, 0, -1]  # [T, R, C]: any area, 100 results
    by_class = np.stack([precision.mean(axis=(0, 1)), precision[0].mean(axis=0)], axis=1)
    return np.where(stats < 0, np.nan, stats).tolist(), np.where(by_class < 0, np.nan, by_class)


def _found(found: Instances) -> list[dict[str, Any]]:
    return [
        {"category_id": label + 1, "score": score, **_shape(mask)}
        for mask, label, score in zip(found.masks, found.labels.tolist(), found.scores.tolist(), strict=True)
    ]


def _shape(mask: Bool[Tensor, "H W"]) -> dict[str, Any]:
    """Return a mask's run lengths and the box around it."""
    runs = encode_mask(mask)
    return {"segmentation": runs, "bbox": coco_mask.toBbox(runs).tolist()}
