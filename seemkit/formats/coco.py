"""COCO's formats: instances, and panoptic maps (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from seemkit.formats.base import Categories, Format, SegmentedImage
from seemkit.inference.prediction import Prediction
from seemkit.io.atomic import replacing, write_json
from seemkit.io.panoptic_png import encode_ids
from seemkit.postprocess.object_ids import object_ids
from seemkit.types import Vocabulary


class CocoInstances(Format):
    """``instances.json``: a data set with exact masks as run lengths, and a ``score`` for each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def _add(self, image: SegmentedImage) -> None:
        """Add the masks of an image that have pixels."""
        record = _image(image, len(self._images) + 1)
        self._images.append(record)
        self._annotations += _instances(image.found, record["id"], len(self._annotations) + 1, self.categories)

    def finish(self) -> None:
        """Write the file."""
        write_json(self.folder / "instances.json", _dataset(self._images, self._annotations, self.categories))


class CocoPanoptic(Format):
    """``panoptic.json`` and a PNG of segment ids for each image in ``panoptic/``.

    A pixel in several masks belongs to the one with the highest logit.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        (folder / "panoptic").mkdir(exist_ok=True)

    def _add(self, image: SegmentedImage) -> None:
        """Write the PNG of an image and add its segments."""
        record = _image(image, len(self._images) + 1)
        ids = number_pixels(image)
        segments = []
        for number, prediction in enumerate(image.found, start=1):
            mask = ids == number
            if bool(mask.any()):
                part = Prediction(mask, prediction.logits, prediction.label, prediction.score)
                category = self.categories.index(prediction.label) + 1
                shape = part.to_coco(record["id"], category)
                segments.append(
                    {"id": number, **{key: shape[key] for key in ("category_id", "area", "bbox", "iscrowd", "score")}}
                )
        name = f"{image.path.stem}.png"
        with replacing(self.folder / "panoptic" / name) as path:
            Image.fromarray(encode_ids(ids.numpy())).save(path, format="PNG")
        self._images.append(record)
        self._annotations.append({"image_id": record["id"], "file_name": name, "segments_info": segments})

    def finish(self) -> None:
        """Write the file with all segments."""
        write_json(self.folder / "panoptic.json", _dataset(self._images, self._annotations, self.categories))


def to_coco(found: Sequence[Prediction], file_name: str, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """Return the predictions for one image as a data set in COCO's instances format, which pycocotools reads.

    Args:
        found: the predictions, at least one.
        file_name: name of the image file.
        vocabulary: classes that get the first ids; other labels follow.
    """
    categories = Categories()
    categories.learn(vocabulary)
    image = _image(SegmentedImage(Path(file_name), found[0].size, found), 1)
    annotations = _instances(found, 1, 1, categories)
    return _dataset([image], annotations, categories)


def number_pixels(image: SegmentedImage) -> torch.Tensor:
    """Return for each pixel the number (from 1) of its prediction, int64 [H, W]; 0 for none.

    A pixel in several masks belongs to the one with the highest logit.
    """
    if not image.found:
        return torch.zeros(tuple(image.size), dtype=torch.int64)
    return object_ids(torch.stack([one.logits.float().where(one.mask, -torch.inf) for one in image.found]))


def _image(image: SegmentedImage, number: int) -> dict[str, Any]:
    return {"id": number, "file_name": image.path.name, "height": image.size.height, "width": image.size.width}


def _instances(found: Sequence[Prediction], image: int, first: int, categories: Categories) -> list[dict[str, Any]]:
    """Return the annotations of an image, numbered from `first`, for the masks that have pixels."""
    seen = [one for one in found if one.area]
    return [
        {"id": number, **one.to_coco(image, categories.index(one.label) + 1)}
        for number, one in enumerate(seen, start=first)
    ]


def _dataset(images: list[dict[str, Any]], annotations: list[dict[str, Any]], categories: Categories) -> dict[str, Any]:
    return {"images": images, "annotations": annotations, "categories": categories.records()}
