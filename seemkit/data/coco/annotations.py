"""Readers of a COCO folder's JSON files: categories, panoptic segments and referring expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seemkit.errors import InputError
from seemkit.io.json_file import field, read_json
from seemkit.types import Phrase, Segment, Vocabulary


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """The annotation of one image.

    Attributes:
        image_id: id of the image in the JSON.
        image_name: file name in the image folder.
        segments: segments in the order of the JSON.
    """

    image_id: int
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
    by_image: dict[int, tuple[tuple[Segment, ...], str]] = {}
    for index, record in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}: annotations[{index}]"
        image_id = field(record, "image_id", int, where)
        if image_id in by_image:
            raise InputError(f"{where}: image_id {image_id} is annotated twice; keep one annotation per image")
        by_image[image_id] = _read_segments(record, label_of, where), field(record, "file_name", str, where)

    annotations: dict[int, PanopticAnnotation] = {}
    for index, record in enumerate(field(content, "images", list, str(path))):
        where = f"{path}: images[{index}]"
        image_id = field(record, "id", int, where)
        if image_id in annotations:
            raise InputError(f"{where}: id {image_id} occurs twice; give each image its own id")
        if image_id not in by_image:
            raise InputError(f"{where}: id {image_id} has no entry in 'annotations'; add one or drop the image")
        name = field(record, "file_name", str, where)
        wide = record.get("width", 0) > record.get("height", 0)
        annotations[image_id] = PanopticAnnotation(image_id, name, *by_image[image_id], wide)
    if unknown := by_image.keys() - annotations.keys():
        raise InputError(f"{path}: annotations: image_id {min(unknown)} is not in 'images'; add it there")
    return vocabulary, list(annotations.values())


def read_refs_json(
    path: Path, annotations: Sequence[ImageAnnotation], json_path: Path
) -> dict[int, tuple[Phrase, ...]]:
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
    phrases: dict[int, list[Phrase]] = {}
    for index, ref in enumerate(field(read_json(path), "refs", list, str(path))):
        where = f"{path}: refs[{index}]"
        image_id, segment_id = field(ref, "image_id", int, where), field(ref, "ann_id", int, where)
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

    Args:
        content: content of the file.
        path: the file, for messages.
        thing_by_default: whether a category without 'isthing' is a thing; if False, it is an error.

    Raises:
        InputError: a key is missing or has the wrong type, or an id is repeated; the message names file and field.
    """
    categories: dict[int, tuple[str, bool]] = {}
    for index, record in enumerate(field(content, "categories", list, str(path))):
        where = f"{path}: categories[{index}]"
        category_id = field(record, "id", int, where)
        if category_id in categories:
            raise InputError(f"{where}: id {category_id} occurs twice; give each category its own id")
        thing = (thing_by_default and "isthing" not in record) or bool(field(record, "isthing", int, where))
        categories[category_id] = field(record, "name", str, where), thing
    ids = sorted(categories)
    vocabulary = Vocabulary(tuple(categories[i][0] for i in ids), tuple(categories[i][1] for i in ids))
    return vocabulary, {category_id: label for label, category_id in enumerate(ids)}


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
