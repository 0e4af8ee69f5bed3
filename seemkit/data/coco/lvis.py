"""LVIS masks, which are drawn more finely than COCO's, in place of those of COCO's things."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision.ops import box_iou, masks_to_boxes

from seemkit.data.coco.annotations import ImageAnnotation
from seemkit.data.coco.segmentation import Polygons, decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json
from seemkit.types import Target, Vocabulary

LEAST_IOU = 0.7
"""Boxes that overlap more are of the same object."""

LvisChoice = Literal["first", "best"]


class Lvis:
    """The objects of an LVIS file in some of COCO's images, and the masks that they give to things.

    The file is ``{"images": [{"id", "coco_url"}], "annotations": [{"image_id", "segmentation"}]}`` with polygons; the
    ids of the images are COCO's, and the name of an image is the last part of its URL. The boxes are those around the
    polygons, which is what the file's own "bbox" says to within rounding.
    """

    def __init__(self, path: str | Path, annotations: Sequence[ImageAnnotation], choice: LvisChoice = "first") -> None:
        """Read and check the file; masks stay polygons.

        Args:
            path: the file.
            annotations: keep the objects of these images only.
            choice: which of several fitting objects a thing becomes: the "first" of the file, as in the official code,
                or the "best".

        Raises:
            InputError: naming file and field, for a missing or ill-typed key, a segmentation that is no polygon, an
                image whose name is another than COCO's, or if there is no object of these images.
        """
        if choice not in ("first", "best"):
            raise InputError(f"lvis_choice: is '{choice}'; use 'first' or 'best'")
        self.path, self.choice = Path(path), choice
        content = read_json(self.path)
        known = self._read_images(content, {annotation.image_id: annotation.image_name for annotation in annotations})
        self._objects: dict[int, list[Polygons]] = {}
        for index, record in enumerate(field(content, "annotations", list, str(path))):
            where = f"{path}: annotations[{index}]"
            image_id = field(record, "image_id", int, where)
            if image_id not in known:
                continue
            shape = read_shape(record, where)
            if not isinstance(shape, Polygons):
                raise InputError(f"{where}: 'segmentation' has run lengths; masks of LVIS are polygons")
            self._objects.setdefault(image_id, []).append(shape)
        if not self._objects:
            raise InputError(f"{path}: no annotation is of an image of the split; check the file's name")

    def masks(self, image_id: int, target: Target, vocabulary: Vocabulary) -> Tensor:
        """The target's masks bool [N, H, W], those of things replaced where an LVIS object fits.

        An object fits if its box and the thing's overlap with an intersection over union of more than 0.7 and it
        covers a pixel. Crowds stay. One object may replace several masks, and the result may overlap other segments.

        Args:
            image_id: of the image.
            target: its segments, at the image's own size.
            vocabulary: tells things from stuff.
        """
        objects = self._objects.get(image_id, [])
        things = torch.tensor(vocabulary.things, dtype=torch.bool)[target.labels] & ~target.crowd
        rows = (things & target.masks.flatten(1).any(1)).nonzero()[:, 0]
        if not objects or not len(rows):
            return target.masks
        # the box of a pixel ends at its far side
        boxes = masks_to_boxes(target.masks[rows]) + torch.tensor([0, 0, 1, 1])
        overlaps = box_iou(boxes.double(), torch.stack([shape.box() for shape in objects]))
        masks = target.masks.clone()
        for row, overlap in zip(rows.tolist(), overlaps, strict=True):
            for index in self._fitting(overlap):
                mask = decode_shape(objects[index], target.size, str(self.path))
                if mask.any():
                    masks[row] = mask
                    break
        return masks

    def _fitting(self, overlap: Tensor) -> list[int]:
        """The objects whose overlap suffices, the preferred one first."""
        order = overlap.argsort(descending=True, stable=True) if self.choice == "best" else torch.arange(len(overlap))
        return order[overlap[order] > LEAST_IOU].tolist()

    def _read_images(self, content: dict[str, Any], name_of: dict[int, str]) -> set[int]:
        """The ids of those images of the file that are among the named ones."""
        known: set[int] = set()
        for index, image in enumerate(field(content, "images", list, str(self.path))):
            where = f"{self.path}: images[{index}]"
            image_id, url = field(image, "id", int, where), field(image, "coco_url", str, where)
            if image_id not in name_of:
                continue
            if url.rpartition("/")[2] != Path(name_of[image_id]).name:
                raise InputError(
                    f"{where}: 'coco_url' is {url} but image {image_id} is {name_of[image_id]}; correct it"
                )
            known.add(image_id)
        return known
