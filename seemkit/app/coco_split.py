"""One split of a folder in COCO's instances layout, as it is edited."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seemkit.data.coco.segmentation import decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.inference.prediction import Prediction
from seemkit.io.json_file import read_json
from seemkit.types import Size

FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "images": {"id": (int, str), "file_name": (str,)},
    "annotations": {"id": (int,), "image_id": (int, str), "category_id": (int,)},
    "categories": {"id": (int,), "name": (str,)},
}
"""Fields of a file of COCO instances that are read here."""


@dataclass
class Split:
    """The annotations of one split.

    Attributes:
        path: the JSON file.
        images: folder of the images.
        content: the content of the file, whose unknown fields are kept.
        removed: annotations that were removed, by identifier, in case the removal is undone.
    """

    path: Path
    images: Path
    content: dict[str, Any] = field(default_factory=lambda: {"images": [], "annotations": [], "categories": []})
    removed: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._records = {one["file_name"]: one for one in self.content["images"]}

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of an image; None if the file does not list it."""
        return self._records.get(name)

    def add(self, name: str, size: Size) -> dict[str, Any]:
        """Return the record of a new image."""
        number = 1 + max((one["id"] for one in self.content["images"] if isinstance(one["id"], int)), default=0)
        record = {"id": number, "file_name": name, "height": size.height, "width": size.width}
        self.content["images"].append(record)
        self._records[name] = record
        return record

    @property
    def free(self) -> int:
        """The first identifier that no annotation has or had."""
        return 1 + max((*(one["id"] for one in self.content["annotations"]), *self.removed), default=0)


def read_split(path: Path, images: Path) -> Split:
    """Return a split from its file.

    Raises:
        InputError: the file is no file of COCO instances.
    """
    content = read_json(path)
    _check(content, path)
    return Split(path, images, content)


def annotation(label: str, mask: Tensor, known: dict[str, Any] | None, category: int) -> dict[str, Any]:
    """Return the fields of an annotation after a change; `mask` is that of the stored pixels."""
    if known is None:
        drawn = Prediction(mask, mask.float(), label, 1.0).to_coco(category_id=category)
        return {name: value for name, value in drawn.items() if name not in ("score", "image_id")}
    shape = read_shape(known, "annotation", allow_empty=True)
    if torch.equal(decode_shape(shape, Size(*mask.shape), "annotation"), mask):
        return {**known, "category_id": category}
    drawn = annotation(label, mask, None, category)
    return {**known, **{name: value for name, value in drawn.items() if name != "iscrowd"}}


def _check(content: dict[str, Any], path: Path) -> None:
    """Raise InputError unless a file has the fields of COCO instances that are read here."""
    for key, fields in FIELDS.items():
        if not isinstance(content.get(key), list):
            raise InputError(f"{path}: '{key}' is not a list; this is no file of COCO instances")
        for number, record in enumerate(content[key]):
            for name, kinds in fields.items():
                if not isinstance(record, dict) or not isinstance(record.get(name), kinds):
                    raise InputError(f"{path}: {key}[{number}]: '{name}' is missing or of a wrong type")
