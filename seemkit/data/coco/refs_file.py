"""The reader of the original refs files of RefCOCO, RefCOCO+ and RefCOCOg."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seemkit.data.coco.annotations import ImageId, read_image_id
from seemkit.errors import InputError
from seemkit.io.json_file import field, load_json
from seemkit.io.plain_pickle import load_plain_pickle


@dataclass(frozen=True, slots=True)
class Ref:
    """A referred object.

    Attributes:
        image_id: id of the image.
        annotation_id: id of the object in the release's ``instances.json``.
        split: name of the split, for example "testA".
        sentences: raw sentences, in the order of the file.
    """

    image_id: ImageId
    annotation_id: int
    split: str
    sentences: tuple[str, ...]


def read_refs(path: Path) -> list[Ref]:
    """Return the refs of all splits in a file like ``refs(unc).p``, or ``refs(unc).json`` with the same list as JSON.

    Raises:
        InputError: the file is missing, damaged, not a list of refs, or a pickle with more than plain data; the message
            names file and field.
    """
    return [_read_ref(record, f"{path}: [{index}]") for index, record in enumerate(load_refs(path))]


def load_refs(path: Path) -> list[Any]:
    """Return the records of a refs file, unchecked.

    Raises:
        InputError: the file is missing, damaged, not a list, or a pickle with more than plain data.
    """
    content = load_json(path) if path.suffix == ".json" else load_plain_pickle(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: holds a {type(content).__name__}; it must be a list of refs")
    return content


def read_sentences(record: dict[str, Any], where: str) -> tuple[str, ...]:
    """Return the raw sentences of a record ``{"sentences": [{"raw"}]}``; the official code reads "raw" too.

    Raises:
        InputError: a key is missing or has the wrong type.
    """
    sentences = field(record, "sentences", list, where)
    return tuple(field(sentence, "raw", str, f"{where}.sentences[{i}]") for i, sentence in enumerate(sentences))


def _read_ref(record: dict[str, Any], where: str) -> Ref:
    """Return the checked ref of a record."""
    return Ref(
        image_id=read_image_id(record, "image_id", where),
        annotation_id=field(record, "ann_id", int, where),
        split=field(record, "split", str, where),
        sentences=read_sentences(record, where),
    )
