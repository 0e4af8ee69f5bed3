"""Readers of a COCO folder's JSON files: categories, panoptic segments and referring expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json
from seemkit.types import Phrase, Segment, Vocabulary

ImageId: TypeAlias = int | str
"""Id of an image in a JSON: a number, or the image's name, as in ADE20K."""


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """The annotation of one image.

    Attributes:
        image_id: id of the image in the JSON.
        image_name: file name in the image folder.
        segments: segments in the order of the JSON.
    """

    image_id: ImageId
    image_name: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class PanopticAnnotation(ImageAnnotation):
    """The panoptic annotation of one image; a segment's `id` is its value in the PNG.

    Attributes:
        png_name: file name of the panoptic PNG.
        wide: whether the image is wider than high; False if the JSON does not give its size.
    """

    png_name: str
    wide: bool = False


def read_panoptic_json(path: Path) -> tuple[Vocabulary, list[PanopticAnnotation]]:
    """Return the vocabulary (categories by ascending id) and one annotation per image, in the order of the images.

    Raises:
        InputError: a key is missing or has the wrong type, a category or image is unknown, an id is repeated, or an
            image has no annotation; the message names file and field.
    """
    content = read_json(path)
    vocabulary, label_of = read_categories(content, path)
    by_image: dict[ImageId, tuple[tuple[Segment, ...], str]] = {}
    for index, record in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}: annotations[{index}]"
        image_id = read_image_id(record, "image_id", where)
        if image_id in by_image:
            raise InputError(f"{where}: image_id {image_id} is annotated twice; keep one annotation per image")
        by_image[image_id] = _read_segments(record, label_of, where), field(record, "file_name", str, where)

    annotations: dict[ImageId, PanopticAnnotation] = {}
    for index, record in enumerate(read_images(content, path)):
        where = f"{path}: images[{index}]"
        image_id = read_image_id(record, "id", where)
        if image_id in annotations:
            raise InputError(f"{where}: id {image_id} occurs twice; give each image its own id")
        if image_id not in by_image:
            raise InputError(f"{where}: id {image_id} has no entry in 'annotations'; add one or drop the image")
        name = read_file_name(record, where)
        wide = (_side(record, "width", where) or 0) > (_side(record, "height", where) or 0)
        annotations[image_id] = PanopticAnnotation(image_id, name, *by_image[image_id], wide)
    if unknown := by_image.keys() - annotations.keys():
        raise InputError(f"{path}: annotations: image_id {min(unknown, key=str)} is not in 'images'; add it there")
    return vocabulary, list(annotations.values())


def read_refs_json(
    path: Path, annotations: Sequence[ImageAnnotation], json_path: Path
) -> dict[ImageId, tuple[Phrase, ...]]:
    """Return the phrases by image id, one per sentence; images without phrases are omitted.

    Args:
        path: refs file.
        annotations: all annotations of the split.
        json_path: file of the annotations, for messages.

    Raises:
        InputError: a key is missing or has the wrong type, or an image or segment has no annotation; the message names
            file and field.
    """
    position_of = {
        annotation.image_id: {segment.id: position for position, segment in enumerate(annotation.segments)}
        for annotation in annotations
    }
    phrases: dict[ImageId, list[Phrase]] = {}
    for index, ref in enumerate(field(read_json(path), "refs", list, str(path))):
        where = f"{path}: refs[{index}]"
        image_id, segment_id = read_image_id(ref, "image_id", where), field(ref, "ann_id", int, where)
        if image_id not in position_of:
            raise InputError(f"{where}: image_id {image_id} is not in {json_path.name}; correct it")
        if segment_id not in position_of[image_id]:
            raise InputError(f"{where}: ann_id {segment_id} is not a segment of image {image_id}; correct it")
        tags = tuple(str(tag) for tag in field(ref, "tags", list, where)) if "tags" in ref else ()
        for number, sentence in enumerate(field(ref, "sentences", list, where)):
            text = field(sentence, "sent", str, f"{where}.sentences[{number}]")
            phrases.setdefault(image_id, []).append(Phrase(text, position_of[image_id][segment_id], tags))
    return {image_id: tuple(found) for image_id, found in phrases.items()}


def read_categories(
    content: dict[str, Any], path: Path, thing_by_default: bool = False
) -> tuple[Vocabulary, dict[int, int]]:
    """Return the vocabulary and the label of each category id.

    Categories of one name are one class. Exports of Roboflow, for example, have a root category, which can be named as
    the only class.

    Args:
        content: content of the file.
        path: the file, for messages.
        thing_by_default: whether a category without 'isthing' is a thing; if False, it is an error.

    Raises:
        InputError: there is no category, a key is missing or has the wrong type, an id is repeated, or a name is that
            of a thing and of stuff; the message names file and field.
    """
    categories: dict[int, tuple[str, bool]] = {}
    for index, record in enumerate(field(content, "categories", list, str(path))):
        where = f"{path}: categories[{index}]"
        category_id = field(record, "id", int, where)
        if category_id in categories:
            raise InputError(f"{where}: id {category_id} occurs twice; give each category its own id")
        thing = (thing_by_default and "isthing" not in record) or bool(field(record, "isthing", int, where))
        categories[category_id] = field(record, "name", str, where), thing
    if not categories:
        raise InputError(f"{path}: 'categories' is empty; add the classes")
    things: dict[str, bool] = {}
    for category_id in sorted(categories):
        name, thing = categories[category_id]
        if things.setdefault(name, thing) != thing:
            raise InputError(f"{path}: categories: {name!r} is a thing and stuff; rename one, or make 'isthing' equal")
    place = {name: label for label, name in enumerate(things)}
    labels = {category_id: place[name] for category_id, (name, _) in categories.items()}
    return Vocabulary(tuple(things), tuple(things.values())), labels


def read_images(content: dict[str, Any], path: Path) -> list[Any]:
    """Return the records of 'images'; raise InputError if there are none."""
    records = field(content, "images", list, str(path))
    if not records:
        raise InputError(f"{path}: 'images' is empty; add the images")
    return records


def read_image_id(record: object, key: str, where: str) -> ImageId:
    """Return the image id in a field of a record; raise InputError unless it is a number or a text."""
    value = field(record, key, object, where)
    if not isinstance(value, int | str):
        raise InputError(f"{where}: '{key}' is a {type(value).__name__}; it must be a number or a text")
    return value


def read_file_name(record: object, where: str) -> str:
    """Return the file name of an image, with "/" between folders, also if the file was written on Windows."""
    return field(record, "file_name", str, where).replace("\\", "/")


def _side(record: dict[str, Any], key: str, where: str) -> int | None:
    """Return a side of an image, or None if the record does not give it; raise InputError unless it is a number."""
    value = record.get(key)
    if value is not None and not isinstance(value, int):
        raise InputError(f"{where}: '{key}' is a {type(value).__name__}; it must be a number of pixels")
    return value


def _read_segments(annotation: dict[str, Any], label_of: dict[int, int], where: str) -> tuple[Segment, ...]:
    """Return the segments of one image."""
    segments: dict[int, Segment] = {}
    for index, record in enumerate(field(annotation, "segments_info", list, where)):
        place = f"{where}.segments_info[{index}]"
        segment_id, category_id = field(record, "id", int, place), field(record, "category_id", int, place)
        if segment_id < 1 or segment_id in segments:
            raise InputError(f"{place}: id {segment_id} must be positive and occur once (0 is void); correct it")
        if category_id not in label_of:
            raise InputError(f"{place}: category_id {category_id} is not in 'categories'; add it there")
        crowd = bool(field(record, "iscrowd", int, place))
        segments[segment_id] = Segment(
            segment_id, label_of[category_id], crowd, attributes=read_attributes(record, place)
        )
    return tuple(segments.values())


def read_attributes(record: dict[str, Any], where: str) -> tuple[str, ...]:
    """Return the words of the optional list ``attributes`` of a segment or object.

    Raises:
        InputError: it is not a list of strings.
    """
    words = record.get("attributes", [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{where}: 'attributes' must be a list of words, for example [\"red\"]")
    return tuple(words)
