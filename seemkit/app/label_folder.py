"""A folder of images with labels, in COCO's instances layout, which `seemkit fit` reads as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from seemkit.data.coco.segmentation import decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.inference.prediction import Prediction
from seemkit.io.atomic import write_json
from seemkit.io.image import header_size, header_turn, image_files
from seemkit.io.json_file import read_json
from seemkit.types import Size

TRAIN, VAL = "train", "val"
EVERY = 10
"""In a folder without splits, the second labeled image and every tenth after it are for validation."""
SIDEWAYS = (
    Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270, Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE,
)  # fmt: skip
"""Turns that swap height and width."""
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "images": {"id": (int, str), "file_name": (str,)},
    "annotations": {"id": (int,), "image_id": (int, str), "category_id": (int,)},
    "categories": {"id": (int,), "name": (str,)},
}
"""Fields of a file of COCO instances that are read here."""
BACK = {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}
"""What undoes a turn; the others undo themselves."""


@dataclass(frozen=True, slots=True)
class Labeled:
    """An object of an image.

    Attributes:
        label: name of its class.
        mask: bool [H, W] of the upright image.
        id: identifier of its annotation; None for a new one.
    """

    label: str
    mask: Bool[Tensor, "H W"]
    id: int | None = None


@dataclass
class _Split:
    """The annotations of one split.

    Attributes:
        path: the JSON file.
        images: folder of the images.
        content: the content of the file, whose unknown fields are kept.
    """

    path: Path
    images: Path
    content: dict[str, Any] = field(default_factory=lambda: {"images": [], "annotations": [], "categories": []})

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of an image; None if the file does not list it."""
        return next((one for one in self.content["images"] if one.get("file_name") == name), None)


class LabelFolder:
    """The images of a folder and their labels.

    If the folder has splits in COCO's instances layout, these are read and edited. Otherwise its own images are
    labeled, and ``annotations/instances_train.json`` and ``instances_val.json`` are written. Photographs that are
    stored turned are shown upright; their masks are stored as the pixels are.

    Args:
        root: the folder.
        names: class names to begin with.

    Raises:
        InputError: the folder has no image, or its annotations are faulty.
    """

    def __init__(self, root: Path, names: Sequence[str] = ()) -> None:
        self.root = root
        self._splits = _read_splits(root)
        self._paths = _find_images(root, self._splits)
        for name in names:
            self._category(name)

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return list(self._paths)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        found = (category["name"] for split in self._splits.values() for category in split.content["categories"])
        return list(dict.fromkeys(found))

    def path(self, name: str) -> Path:
        """Return the file of an image.

        Raises:
            InputError: the folder has no such image.
        """
        if name not in self._paths:
            raise InputError(f"{name[:100]!r}: the folder has no such image")
        return self._paths[name][1]

    def size(self, name: str) -> Size:
        """Return the size of an image as it is shown.

        Raises:
            InputError: the folder has no such image, or its file is not readable.
        """
        path = self.path(name)
        stored = header_size(path)
        return Size(stored.width, stored.height) if header_turn(path) in SIDEWAYS else stored

    def is_labeled(self, name: str) -> bool:
        """Return whether an image has labels, or was seen to have no object."""
        return any(split.record(_file_name(name, split)) for split in self._splits_of(name))

    def read(self, name: str) -> list[Labeled]:
        """Return the objects of an image.

        Raises:
            InputError: the folder has no such image, or its annotations are faulty.
        """
        path = self.path(name)
        for split in self._splits_of(name):
            record = split.record(_file_name(name, split))
            if record is not None:
                names = {category["id"]: category["name"] for category in split.content["categories"]}
                mine = [one for one in split.content["annotations"] if one["image_id"] == record["id"]]
                return [self._read_object(path, split.path, one, names) for one in mine]
        return []

    def write(self, name: str, objects: Sequence[Labeled]) -> None:
        """Replace the objects of an image, and write the file of its split, completely or not at all.

        Fields of an annotation that the page does not know are kept, also if its mask is changed.

        Raises:
            InputError: the folder has no such image, a mask has another size, or the file cannot be written.
        """
        path = self.path(name)
        split = self._split_to_write(name)
        stored = header_size(path)
        record = split.record(_file_name(name, split))
        if record is None:
            number = 1 + max((one["id"] for one in split.content["images"] if isinstance(one["id"], int)), default=0)
            record = {"id": number, "file_name": _file_name(name, split)}
            split.content["images"].append({**record, "height": stored.height, "width": stored.width})
        others = [one for one in split.content["annotations"] if one["image_id"] != record["id"]]
        mine = {one["id"]: one for one in split.content["annotations"] if one["image_id"] == record["id"]}
        free = 1 + max((one["id"] for one in split.content["annotations"]), default=0)
        for one in objects:
            mask = _turned(one.mask, path, back=True)
            if tuple(mask.shape) != tuple(stored):
                raise InputError(f"{name}: a mask has the size {tuple(mask.shape)}; expected {tuple(stored)}")
            known = mine.get(one.id) if one.id is not None else None
            identifier = free if known is None else known["id"]
            free += known is None
            drawn = Prediction(mask, mask.float(), one.label, 1.0).to_coco(record["id"], self._category(one.label))
            del drawn["score"]
            others.append({**(known or {}), **drawn, "id": identifier})
        split.content["annotations"] = others
        self._save(split)

    def _save(self, split: _Split) -> None:
        """Write the file of a split, and those of the others, since a new class is one of all splits."""
        try:
            split.path.parent.mkdir(exist_ok=True)
            for other in self._splits.values():
                if other is split or other.path.is_file():
                    write_json(other.path, other.content)
        except OSError as error:
            raise InputError(f"{split.path}: cannot be written: {error.strerror or error}") from error

    def _splits_of(self, name: str) -> list[_Split]:
        """Return the splits that can hold an image."""
        own = self._paths[name][0] if name in self._paths else None
        return [self._splits[own]] if own is not None else list(self._splits.values())

    def _split_to_write(self, name: str) -> _Split:
        """Return the split of an image; in a folder without splits, a new image gets one."""
        candidates = self._splits_of(name)
        if len(candidates) == 1:
            return candidates[0]
        for split in candidates:
            if split.record(_file_name(name, split)) is not None:
                return split
        labeled = sum(len(split.content["images"]) for split in candidates)
        return self._splits[VAL if labeled % EVERY == 1 else TRAIN]

    def _category(self, name: str) -> int:
        """Return the identifier of a class, the same in all splits; a new class is added."""
        known = {one["name"]: one["id"] for split in self._splits.values() for one in split.content["categories"]}
        number = known.get(name, 1 + max(known.values(), default=0))
        for split in self._splits.values():
            if all(one["name"] != name for one in split.content["categories"]):
                split.content["categories"].append({"id": number, "name": name})
        return number

    def _read_object(self, path: Path, json_path: Path, one: dict[str, Any], names: dict[int, str]) -> Labeled:
        where = f"{json_path}: annotation {one['id']}"
        mask = decode_shape(read_shape(one, where, allow_empty=True), header_size(path), where)
        return Labeled(names.get(one["category_id"], "object"), _turned(mask, path), one["id"])


def _read_splits(root: Path) -> dict[str, _Split]:
    """Return the splits of a folder; train and val, without annotations, if it has none."""
    found = {}
    for path in sorted((root / "annotations").glob("instances_*.json")):
        name = path.stem.removeprefix("instances_")
        content = read_json(path)
        _check(content, path)
        own = root / name
        found[name] = _Split(path, own if own.is_dir() else root, content)
    if all(split.images == root for split in found.values()):
        for name in (TRAIN, VAL):
            found.setdefault(name, _Split(root / "annotations" / f"instances_{name}.json", root))
    return found


def _check(content: dict[str, Any], path: Path) -> None:
    """Raise InputError unless a file has the fields of COCO instances that are read here."""
    for key, fields in FIELDS.items():
        if not isinstance(content.get(key), list):
            raise InputError(f"{path}: '{key}' is not a list; this is no file of COCO instances")
        for number, record in enumerate(content[key]):
            for name, kinds in fields.items():
                if not isinstance(record, dict) or not isinstance(record.get(name), kinds):
                    raise InputError(f"{path}: {key}[{number}]: '{name}' is missing or of a wrong type")


def _find_images(root: Path, splits: dict[str, _Split]) -> dict[str, tuple[str | None, Path]]:
    """Return split and file of every image by its name; the split is None if it is not given by the folder."""
    found: dict[str, tuple[str | None, Path]] = {}
    for name, split in splits.items():
        if split.images != root:
            found |= {f"{name}/{path.name}": (name, path) for path in image_files(split.images)}
    if any(split.images == root for split in splits.values()):
        found |= {path.name: (None, path) for path in image_files(root)}
    return {name: place for name, place in found.items() if _inside(place[1], root)}


def _inside(path: Path, root: Path) -> bool:
    """Return whether a file is in the folder, and no link out of it."""
    return path.resolve().is_relative_to(root.resolve())


def _file_name(name: str, split: _Split) -> str:
    return name.removeprefix(f"{split.images.name}/") if split.images.name and "/" in name else name


def _turned(mask: Tensor, path: Path, *, back: bool = False) -> Tensor:
    """Return a mask of the stored pixels turned upright as the photograph is, or back."""
    turn = header_turn(path)
    if turn is None:
        return mask
    picture = Image.fromarray(mask.numpy().astype(np.uint8))
    return torch.from_numpy(np.array(picture.transpose(BACK.get(turn, turn) if back else turn)).astype(np.bool_))
