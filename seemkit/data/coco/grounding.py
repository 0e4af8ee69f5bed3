"""Phrases for panoptic segments from a grounding file, as in the recipes of X-Decoder and SEEM."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seemkit.data.coco.annotations import ImageId, read_image_id
from seemkit.data.coco.refs_file import read_sentences
from seemkit.data.coco.segmentation import Shape, decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json
from seemkit.types import Phrase, Target

LEAST_IOU = 0.5
"""The lowest IoU of masks at which an object matches a segment."""


@dataclass(frozen=True, slots=True)
class ReferredObject:
    """An object of a grounding file.

    Attributes:
        id: id of the annotation.
        shape: encoded mask.
        sentences: raw sentences, in the order of the file.
    """

    id: int
    shape: Shape
    sentences: tuple[str, ...]


class Grounding:
    """The referred objects of the given images, matched to segments.

    The file is ``{"images": [{"id"}], "annotations": [{"id", "image_id", "segmentation", "sentences": [{"raw"}]}]}``,
    one annotation per object. Ids can repeat: the file joins several datasets, and an object can be in several of them.
    """

    def __init__(self, path: str | Path, image_ids: Collection[ImageId]) -> None:
        """Read and check the file; masks stay encoded.

        Args:
            path: grounding file.
            image_ids: ids of the images whose objects are kept.

        Raises:
            InputError: a key is missing or has the wrong type, an image is not in 'images', or no object belongs to
                these images; the message names file and field.
        """
        self.path = Path(path)
        self._objects: dict[ImageId, list[ReferredObject]] = {}
        content = read_json(self.path)
        images = field(content, "images", list, str(path))
        listed = {read_image_id(image, "id", f"{path}: images[{i}]") for i, image in enumerate(images)}
        for index, record in enumerate(field(content, "annotations", list, str(path))):
            where = f"{path}: annotations[{index}]"
            object_id, image_id = field(record, "id", int, where), read_image_id(record, "image_id", where)
            if image_id not in listed:
                raise InputError(f"{where}: image_id {image_id} is not in 'images'; add it there")
            referred = ReferredObject(object_id, read_shape(record, where), read_sentences(record, where))
            if image_id in image_ids:
                self._objects.setdefault(image_id, []).append(referred)
        if not self._objects:
            raise InputError(f"{path}: no annotation belongs to an image of the split; check the file name")

    def phrases(self, image_id: ImageId, target: Target) -> tuple[Phrase, ...]:
        """Return one phrase per sentence of each object that matches a segment of the target.

        An object matches the segment, crowds excluded, with the highest IoU of masks. If this IoU is below 0.5, the
        object is dropped.

        Args:
            image_id: id of the image.
            target: segments of the image, at its original size.

        Raises:
            InputError: the run lengths of a mask do not fit the image; the message names file, annotation and image.
        """
        found: list[Phrase] = []
        for referred in self._objects.get(image_id, ()):
            where = f"{self.path}: annotation id {referred.id} of {target.name}"
            segment = _segment_of(decode_shape(referred.shape, target.size, where), target)
            if segment is not None:
                found += [Phrase(sentence, segment) for sentence in referred.sentences]
        return tuple(found)


def _segment_of(mask: Tensor, target: Target) -> int | None:
    """Return the position of the segment that a mask bool [H, W] matches, or None."""
    if not len(target.masks):
        return None
    common = target.masks[:, mask].sum(1)
    union = target.masks.flatten(1).sum(1) + mask.sum() - common
    overlap = (common / union.clamp(min=1)).masked_fill(target.crowd, 0)
    best = int(overlap.argmax())
    return best if overlap[best] >= LEAST_IOU else None
