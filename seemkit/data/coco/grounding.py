"""Phrases for panoptic segments from a grounding file, the referring expressions of X-Decoder's and SEEM's recipe."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seemkit.data.coco.refs_file import read_sentences
from seemkit.data.coco.segmentation import Shape, decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json
from seemkit.types import Phrase, Target

LEAST_IOU = 0.5
"""An object is a segment if their masks overlap at least so much."""


@dataclass(frozen=True, slots=True)
class ReferredObject:
    """An object of a grounding file.

    Attributes:
        id: of its annotation.
        shape: its mask.
        sentences: as they were typed, in the order of the file.
    """

    id: int
    shape: Shape
    sentences: tuple[str, ...]


class Grounding:
    """The referred objects of some images, and the phrases that they give to segments.

    The file is ``{"images": [{"id"}], "annotations": [{"id", "image_id", "segmentation", "sentences": [{"raw"}]}]}``,
    one annotation an object; several may have the same id, since one object may be in several of the data sets that
    such a file joins.
    """

    def __init__(self, path: str | Path, image_ids: Collection[int]) -> None:
        """Read and check the file; masks stay encoded.

        Args:
            path: the file.
            image_ids: keep the objects of these images only.

        Raises:
            InputError: naming file and field, for a missing or ill-typed key, an image that is not in 'images', or if
                there is no object of these images.
        """
        self.path = Path(path)
        self._objects: dict[int, list[ReferredObject]] = {}
        content = read_json(self.path)
        images = field(content, "images", list, str(path))
        listed = {field(image, "id", int, f"{path}: images[{i}]") for i, image in enumerate(images)}
        for index, record in enumerate(field(content, "annotations", list, str(path))):
            where = f"{path}: annotations[{index}]"
            object_id, image_id = field(record, "id", int, where), field(record, "image_id", int, where)
            if image_id not in listed:
                raise InputError(f"{where}: image_id {image_id} is not in 'images'; add it there")
            referred = ReferredObject(object_id, read_shape(record, where), read_sentences(record, where))
            if image_id in image_ids:
                self._objects.setdefault(image_id, []).append(referred)
        if not self._objects:
            raise InputError(f"{path}: no annotation is of an image of the split; check the file's name")

    def phrases(self, image_id: int, target: Target) -> tuple[Phrase, ...]:
        """One phrase a sentence of each object that is a segment of the target.

        An object is the segment, crowds left out, that its mask overlaps most; if that is less than an intersection
        over union of 0.5, the object is dropped.

        Args:
            image_id: of the image.
            target: its segments, at the image's own size.

        Raises:
            InputError: naming file, annotation and image, if the run lengths of a mask do not fit the image.
        """
        found: list[Phrase] = []
        for referred in self._objects.get(image_id, ()):
            where = f"{self.path}: annotation id {referred.id} of {target.name}"
            segment = _segment_of(decode_shape(referred.shape, target.size, where), target)
            if segment is not None:
                found += [Phrase(sentence, segment) for sentence in referred.sentences]
        return tuple(found)


def _segment_of(mask: Tensor, target: Target) -> int | None:
    """The position of the segment that a mask [H, W] means, or None."""
    if not len(target.masks):
        return None
    common = target.masks[:, mask].sum(1)
    union = target.masks.flatten(1).sum(1) + mask.sum() - common
    overlap = (common / union.clamp(min=1)).masked_fill(target.crowd, 0)
    best = int(overlap.argmax())
    return best if overlap[best] >= LEAST_IOU else None
