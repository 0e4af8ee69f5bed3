"""Small folders with annotated objects, in the layouts of COCO's instances, RefCOCO, SEEM's grounding and LVIS."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 40, 48


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change the content of a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """The polygon that covers the pixels from (x0, y0) up to, not including, (x1, y1)."""
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def runs(mask: np.ndarray) -> dict[str, Any]:
    """The mask [H, W] as uncompressed run lengths."""
    column = mask.T.ravel().astype(int)
    ends = [0, *(np.flatnonzero(np.diff(column)) + 1).tolist(), len(column)]
    counts = [0] * int(column[0]) + np.diff(ends).tolist()
    return {"size": [*mask.shape], "counts": counts}


def write_image(path: Path) -> None:
    """Write a gray image of 48 by 40 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)).save(path)


def annotation(annotation_id: int, image_id: int, segmentation: object, **more: object) -> dict[str, Any]:
    """An annotation of category 7 in COCO's instance layout."""
    record = {"id": annotation_id, "image_id": image_id, "category_id": 7, "iscrowd": 0, "segmentation": segmentation}
    return record | more


def instances(names: Sequence[str], annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The content of an instances JSON with images 100, 101, … and two categories."""
    images = [
        {"id": 100 + index, "file_name": name, "height": HEIGHT, "width": WIDTH} for index, name in enumerate(names)
    ]
    categories = [{"id": 7, "name": "star"}, {"id": 2, "name": "grass", "isthing": 0}]
    return {"images": images, "annotations": list(annotations), "categories": categories}


def sentences(*texts: str) -> list[dict[str, Any]]:
    """Sentences as RefCOCO has them."""
    return [
        {"raw": text, "sent": text.lower(), "tokens": text.lower().split(), "sent_id": index}
        for index, text in enumerate(texts)
    ]


def ref(image_id: int, annotation_id: int, split: str, *texts: str) -> dict[str, Any]:
    """A ref as RefCOCO has it."""
    return {
        "ref_id": annotation_id, "ann_id": annotation_id, "image_id": image_id, "category_id": 7, "split": split,
        "file_name": f"COCO_train2014_{image_id:012d}_{annotation_id}.jpg", "sent_ids": [*range(len(texts))],
        "sentences": sentences(*texts),
    }  # fmt: skip
