"""The list of referring expressions of RefCOCO, RefCOCO+ and RefCOCOg as their authors released it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seemkit.errors import InputError
from seemkit.io.json_file import field, load_json
from seemkit.io.plain_pickle import load_plain_pickle


@dataclass(frozen=True, slots=True)
class Ref:
    """An object that people referred to.

    Attributes:
        image_id: of its image.
        annotation_id: of the object, in the release's ``instances.json``.
        split: for example "testA".
        sentences: as they were typed, in the order of the file.
    """

    image_id: int
    annotation_id: int
    split: str
    sentences: tuple[str, ...]


def read_refs(path: Path) -> list[Ref]:
    """The refs of all splits in a file like ``refs(unc).p``, or the same list as JSON in ``refs(unc).json``.

    Raises:
        InputError: naming file and field, if it is missing, damaged, no list of refs, or a pickle that holds more than
            plain data.
    """
    return [_read_ref(record, f"{path}: [{index}]") for index, record in enumerate(load_refs(path))]


def load_refs(path: Path) -> list[Any]:
    """The records of a refs file, unchecked.

    Raises:
        InputError: as `read_refs` does, but not for a fault in a record.
    """
    content = load_json(path) if path.suffix == ".json" else load_plain_pickle(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: holds a {type(content).__name__}; it must be a list of refs")
    return content


def read_sentences(record: dict[str, Any], where: str) -> tuple[str, ...]:
    """The sentences of a record ``{"sentences": [{"raw"}]}`` as they were typed, which is what the reference reads.

    Raises:
        InputError: for a missing or ill-typed key.
    """
    sentences = field(record, "sentences", list, where)
    return tuple(field(sentence, "raw", str, f"{where}.sentences[{i}]") for i, sentence in enumerate(sentences))


def _read_ref(record: dict[str, Any], where: str) -> Ref:
    """One ref, checked."""
    return Ref(
        image_id=field(record, "image_id", int, where),
        annotation_id=field(record, "ann_id", int, where),
        split=field(record, "split", str, where),
        sentences=read_sentences(record, where),
    )
