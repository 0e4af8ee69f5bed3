"""Small data folders that tests write for themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

CATEGORIES = [
    {"id": 7, "name": "star", "isthing": 1, "color": [255, 0, 0]},
    {"id": 2, "name": "grass", "isthing": 0, "color": [0, 255, 0]},
]
GRASS, STAR, CROWD = 1, 300, 70_000  # segment ids, which need one, two and three bytes


def write_coco(root: Path, images: Mapping[str, int], height: int = 40, width: int = 48) -> Path:
    """The folder `root` in COCO panoptic layout with so many images of each split.

    Every image has grass, a star on its left side, a crowd of stars at the bottom right, a void column at the right
    border and one referring expression with two sentences for the star.
    """
    for split, count in images.items():
        _write_split(root, split, count, height, width)
    return root


def _write_split(root: Path, split: str, count: int, height: int, width: int) -> None:
    generator = np.random.default_rng(len(split))
    pngs = root / "annotations" / f"panoptic_{split}"
    pngs.mkdir(parents=True)
    (root / split).mkdir()
    images, annotations, refs = [], [], []
    for index in range(count):
        name = f"{split}_{index:03d}"
        ids = np.full((height, width), GRASS)
        ids[4 : 14 + index % 5, 3:12] = STAR
        ids[-6:, -20:] = CROWD
        ids[:, -1] = 0
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / split / f"{name}.png")
        write_ids(ids, pngs / f"{name}.png")
        image_id = 100 + index
        images.append({"id": image_id, "file_name": f"{name}.png", "height": height, "width": width})
        segments = [(STAR, 7, 0), (GRASS, 2, 0), (CROWD, 7, 1)]
        annotations.append({
            "image_id": image_id,
            "file_name": f"{name}.png",
            "segments_info": [{"id": i, "category_id": c, "iscrowd": crowd} for i, c, crowd in segments],
        })  # fmt: skip
        refs.append({
            "ref_id": index, "image_id": image_id, "ann_id": STAR, "category_id": 7, "split": split, "tags": ["place"],
            "sentences": [{"sent": "the Left star"}, {"sent": "leftmost star"}],
        })  # fmt: skip
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(content))
    (root / "annotations" / f"refs_{split}.json").write_text(json.dumps({"refs": refs}))


def write_ids(ids: np.ndarray, path: Path) -> None:
    """Write segment ids [H, W] as a panoptic PNG."""
    Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)).save(path)
