"""Tiny folders in the layouts of labelme, Pascal VOC and Ultralytics YOLO, and what a conversion made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

WIDTH, HEIGHT = 60, 40


def write_image(path: Path, width: int = WIDTH, height: int = HEIGHT, **options: Any) -> Path:
    """An image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def shape(
    label: str, points: list[Any], kind: str = "polygon", group: int | None = None, **more: Any
) -> dict[str, Any]:
    """A shape as labelme writes it."""
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}, **more}


def write_labelme(path: Path, shapes: list[dict[str, Any]], **more: Any) -> Path:
    """One JSON of labelme with an image beside it."""
    image = write_image(path.with_suffix(".png"))
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image.name, "imageData": None,
               "imageHeight": HEIGHT, "imageWidth": WIDTH}  # fmt: skip
    path.write_text(json.dumps(content | more))
    return path


def write_voc(root: Path, classes: dict[str, np.ndarray], objects: dict[str, np.ndarray], **splits: list[str]) -> Path:
    """A folder like VOC2012 with maps [H, W] of class and object indices."""
    for name, class_map in classes.items():
        height, width = class_map.shape
        write_image(root / "JPEGImages" / f"{name}.jpg", width, height)
        for folder, values in (("SegmentationClass", class_map), ("SegmentationObject", objects[name])):
            png = Image.fromarray(values.astype(np.uint8)).convert("P")
            png.putdata(values.ravel().tolist())
            (root / folder).mkdir(exist_ok=True)
            png.save(root / folder / f"{name}.png")
    for split, names in splits.items():
        path = root / "ImageSets" / "Segmentation" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in names))
    return root


def write_yolo(root: Path, labels: dict[str, str | None], **content: Any) -> Path:
    """A folder of Ultralytics; `labels` has the text of each label file by the image's path below ``images/``."""
    for name, text in labels.items():
        write_image(root / "images" / name)
        path = (root / "labels" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
    defaults = {"path": ".", "train": "images/train", "val": "images/val", "names": ["cat", "dog"]}
    (root / "data.yaml").write_text(yaml.safe_dump(defaults | content))
    return root


def masks_of(out: Path, split: str) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Class and mask bool [H, W] of every instance by file name, as pycocotools reads them; the records are checked."""
    coco = COCO(str(out / "annotations" / f"instances_{split}.json"))
    found: dict[str, list[tuple[str, np.ndarray]]] = {}
    for image in coco.loadImgs(coco.getImgIds()):
        with Image.open(out / split / image["file_name"]) as stored:
            assert stored.size == (image["width"], image["height"])
        found[image["file_name"]] = []
        for record in coco.loadAnns(coco.getAnnIds(image["id"])):
            runs = coco.annToRLE(record)
            mask = coco_mask.decode(runs).astype(bool)
            rows, columns = np.nonzero(mask)
            x, y, width, height = record["bbox"]
            assert (x, y, x + width, y + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert record["area"] == mask.sum()
            assert record["iscrowd"] == 0
            found[image["file_name"]].append((coco.cats[record["category_id"]]["name"], mask))
    return found


def block(left: int, top: int, right: int, bottom: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A mask bool [H, W] with one rectangle."""
    mask = np.zeros((height, width), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask
