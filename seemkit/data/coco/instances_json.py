"""The reader of a JSON file in the COCO instance layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seemkit.data.coco.annotations import (
    ImageAnnotation,
    ImageId,
    read_attributes,
    read_categories,
    read_file_name,
    read_image_id,
    read_images,
)
from seemkit.data.coco.segmentation import Shape, read_shape
from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json
from seemkit.types import Segment, Size, Vocabulary


@dataclass(frozen=True, slots=True)
class InstancesAnnotation(ImageAnnotation):
    """The objects of one image; a segment's `id` is the id of its annotation.

    Attributes:
        size: size of the image.
        shapes: one encoded mask per segment.
        areas: area of each segment in the file, in pixels; None unless the file gives all.
    """

    size: Size
    shapes: tuple[Shape, ...]
    areas: tuple[float, ...] | None

    @property
    def wide(self) -> bool:
        """Whether the image is wider than high."""
        return self.size.width > self.size.height


def read_instances_json(path: Path, allow_empty: bool = False) -> tuple[Vocabulary, list[InstancesAnnotation]]:
    """Return the vocabulary (categories by ascending id) and one annotation per image, in the order of the images.

    A category is a thing unless it has ``"isthing": 0``, and an object is a crowd only if it has ``"iscrowd": 1``.
    Images without objects are kept.

    Args:
        path: the file.
        allow_empty: whether a segmentation can be an empty list, which is an object without pixels.

    Raises:
        InputError: a key is missing or has the wrong type, a category or image is unknown, an id is repeated, or a
            segmentation is neither polygons of at least three points nor run lengths; the message names file and
            field.
    """
    content = read_json(path)
    vocabulary, label_of = read_categories(content, path, thing_by_default=True)
    images = _read_images(content, path)
    found: dict[ImageId, list[tuple[Segment, Shape, float | None]]] = {image_id: [] for image_id in images}
    seen: set[int] = set()
    for index, record in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}: annotations[{index}]"
        image_id, segment, shape = _read_object(record, label_of, allow_empty, where)
        area = record.get("area")
        if area is not None and not isinstance(area, (int, float)):
            raise InputError(f"{where}: 'area' is a {type(area).__name__}; it must be a number of pixels")
        if segment.id in seen:
            raise InputError(f"{where}: id {segment.id} occurs twice; give each annotation its own id")
        if image_id not in found:
            raise InputError(f"{where}: image_id {image_id} is not in 'images'; add it there")
        seen.add(segment.id)
        found[image_id].append((segment, shape, area))
    annotations = []
    for (image_id, (name, size)), objects in zip(images.items(), found.values(), strict=True):
        segments, shapes, areas = zip(*objects, strict=True) if objects else ((), (), ())
        stated = None if None in areas else areas
        annotations.append(InstancesAnnotation(image_id, name, segments, size, shapes, stated))
    return vocabulary, annotations


def _read_images(content: dict[str, Any], path: Path) -> dict[ImageId, tuple[str, Size]]:
    """Return file name and size by image id."""
    images: dict[ImageId, tuple[str, Size]] = {}
    for index, record in enumerate(read_images(content, path)):
        where = f"{path}: images[{index}]"
        image_id = read_image_id(record, "id", where)
        if image_id in images:
            raise InputError(f"{where}: id {image_id} occurs twice; give each image its own id")
        size = Size(field(record, "height", int, where), field(record, "width", int, where))
        images[image_id] = read_file_name(record, where), size
    return images


def _read_object(
    record: dict[str, Any], label_of: dict[int, int], allow_empty: bool, where: str
) -> tuple[ImageId, Segment, Shape]:
    """Return image id, segment and shape of one annotation."""
    annotation_id, category_id = field(record, "id", int, where), field(record, "category_id", int, where)
    if category_id not in label_of:
        raise InputError(f"{where}: category_id {category_id} is not in 'categories'; add it there")
    crowd = "iscrowd" in record and bool(field(record, "iscrowd", int, where))
    segment = Segment(annotation_id, label_of[category_id], crowd, attributes=read_attributes(record, where))
    return read_image_id(record, "image_id", where), segment, read_shape(record, where, allow_empty)
