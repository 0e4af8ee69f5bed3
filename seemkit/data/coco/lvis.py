"""LVIS masks, which are finer than COCO's, as a replacement for the masks of COCO things."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision.ops import box_iou, masks_to_boxes

from seemkit.data.coco.annotations import ImageAnnotation, ImageId, read_image_id
from seemkit.data.coco.segmentation import Polygons, decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json
from seemkit.types import Target, Vocabulary

LEAST_IOU = 0.7
"""Boxes with a higher IoU belong to the same object."""

LvisChoice = Literal["first", "best"]


class Lvis:
    """The objects of an LVIS file in the given COCO images, matched to things.

    The file is ``{"images": [{"id", "coco_url"}], "annotations": [{"image_id", "segmentation"}]}`` with polygons. Image
    ids are COCO's, and the last part of a URL is the name of the image. Boxes are computed from the polygons; they
    equal the file's "bbox" up to rounding.
    """

    def __init__(self, path: str | Path, annotations: Sequence[ImageAnnotation], choice: LvisChoice = "first") -> None:
        """Read and check the file; masks stay polygons.

        Args:
            path: LVIS file.
            annotations: annotations of the images whose objects are kept.
            choice: which of several matching objects to use: the "first" in the file, as in the official code, or the
                "best", with the highest IoU.

        Raises:
            InputError: a key is missing or has the wrong type, a segmentation is not polygons, the name of an image
                differs from COCO's, or no object belongs to these images; the message names file and field.
        """
        if choice not in ("first", "best"):
            raise InputError(f"lvis_choice: is '{choice}'; use 'first' or 'best'")
        self.path, self.choice = Path(path), choice
        content = read_json(self.path)
        known = self._read_images(content, {annotation.image_id: annotation.image_name for annotation in annotations})
        self._objects: dict[ImageId, list[Polygons]] = {}
        for index, record in enumerate(field(content, "annotations", list, str(path))):
            where = f"{path}: annotations[{index}]"
            image_id = read_image_id(record, "image_id", where)
            if image_id not in known:
                continue
            shape = read_shape(record, where)
            if not isinstance(shape, Polygons):
                raise InputError(f"{where}: 'segmentation' has run lengths; use polygons")
            self._objects.setdefault(image_id, []).append(shape)
        if not self._objects:
            raise InputError(f"{path}: no annotation belongs to an image of the split; check the file name")

    def masks(self, image_id: ImageId, target: Target, vocabulary: Vocabulary) -> Tensor:
        """Return the target's masks bool [N, H, W], with the mask of each thing that an LVIS object matches replaced.

        An object matches if the IoU of its box and the thing's box is above 0.7 and it covers a pixel. Crowds keep
        their masks. One object can replace several masks, and new masks can overlap other segments.

        Args:
            image_id: id of the image.
            target: segments of the image, at its original size.
            vocabulary: vocabulary of the target's labels, with which of them are things.
        """
        objects = self._objects.get(image_id, [])
        things = torch.tensor(vocabulary.things, dtype=torch.bool)[target.labels] & ~target.crowd
        rows = (things & target.masks.flatten(1).any(1)).nonzero()[:, 0]
        if not objects or not len(rows):
            return target.masks
        # a box ends at the far edge of its last pixel, so add 1 to the last index
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
        """Return the positions of the objects with an overlap above `LEAST_IOU`, the preferred one first."""
        order = overlap.argsort(descending=True, stable=True) if self.choice == "best" else torch.arange(len(overlap))
        return order[overlap[order] > LEAST_IOU].tolist()

    def _read_images(self, content: dict[str, Any], name_of: dict[ImageId, str]) -> set[ImageId]:
        """Return the ids of the file's images that are in `name_of`, with their names checked."""
        known: set[ImageId] = set()
        for index, image in enumerate(field(content, "images", list, str(self.path))):
            where = f"{self.path}: images[{index}]"
            image_id, url = read_image_id(image, "id", where), field(image, "coco_url", str, where)
            if image_id not in name_of:
                continue
            if url.rpartition("/")[2] != Path(name_of[image_id]).name:
                raise InputError(
                    f"{where}: 'coco_url' is {url} but image {image_id} is {name_of[image_id]}; correct it"
                )
            known.add(image_id)
        return known
