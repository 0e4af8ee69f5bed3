"""A folder of images with labels, in COCO's instances layout, which `seemkit fit` reads as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from seemkit.app.coco_split import Split, annotation, read_split
from seemkit.data.coco.segmentation import decode_shape, read_shape
from seemkit.errors import InputError
from seemkit.io.atomic import write_json
from seemkit.io.image import SUFFIXES, header_size, header_turn, image_files
from seemkit.types import Size

TRAIN, VAL = "train", "val"
EVERY = 10
"""In a folder without splits, the second labeled image and every tenth after it are for validation."""
SIDEWAYS = (
    Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270, Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE,
)  # fmt: skip
"""Turns that swap height and width."""
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


class LabelFolder:
    """The images of a folder and their labels.

    If the folder has splits in COCO's instances layout, these are read and edited. Otherwise its own images are
    labeled, and ``annotations/instances_train.json`` and ``instances_val.json`` are written. Photographs that are
    stored turned are shown upright; their masks are stored as the pixels are.

    Args:
        root: the folder.
        names: class names to begin with.
        out: the file to read and write in place of the splits; it takes the labels of the folder's own images.

    Raises:
        InputError: the folder has no image, or its annotations are faulty.
    """

    def __init__(self, root: Path, names: Sequence[str] = (), out: Path | None = None) -> None:
        self.root = root
        self._splits = _read_splits(root) if out is None else {out.stem: _read_or_new(out, root)}
        self._paths = _find_images(root, self._splits)
        for name in names:
            for split in self._splits.values():
                self._category(name, split)

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

    def write(self, name: str, objects: Sequence[Labeled]) -> list[int | None]:
        """Replace the objects of an image, write the file of its split, and return the annotations' identifiers.

        A file is written completely or not at all. Fields of an annotation that the page does not know are kept, and so
        is its outline unless the mask was changed. An object without pixels is not written; its identifier is None.

        Raises:
            InputError: the folder has no such image, a mask has another size, or the file cannot be written.
        """
        path = self.path(name)
        split = self._split_to_write(name)
        stored = header_size(path)
        masks = [_turned(one.mask, path, back=True) for one in objects]
        for mask in masks:
            if tuple(mask.shape) != tuple(stored):
                raise InputError(f"{name}: a mask has the size {tuple(mask.shape)}; expected {tuple(stored)}")
        record = split.record(_file_name(name, split)) or split.add(_file_name(name, split), stored)
        others = [one for one in split.content["annotations"] if one["image_id"] != record["id"]]
        mine = {one["id"]: one for one in split.content["annotations"] if one["image_id"] == record["id"]}
        free, more_classes = split.free, False
        mine = {**{k: one for k, one in split.removed.items() if one["image_id"] == record["id"]}, **mine}
        written: list[dict[str, Any] | None] = []
        for one, mask in zip(objects, masks, strict=True):
            if not bool(mask.any()):
                written.append(None)
                continue
            known = mine.pop(one.id, None) if one.id is not None else None
            category, is_new = self._category(one.label, split)
            written.append({"id": free, "image_id": record["id"], **annotation(one.label, mask, known, category)})
            free, more_classes = free + (known is None), more_classes or is_new
        split.removed |= mine
        split.content["annotations"] = [*others, *(one for one in written if one is not None)]
        self._save(split, all_splits=more_classes)
        return [None if one is None else one["id"] for one in written]

    def _save(self, split: Split, *, all_splits: bool) -> None:
        """Write the file of a split; also those of the others if there is a new class, which they have too."""
        try:
            split.path.parent.mkdir(parents=True, exist_ok=True)
            for other in self._splits.values():
                if other is split or (all_splits and other.path.is_file()):
                    write_json(other.path, other.content)
        except OSError as error:
            raise InputError(f"{split.path}: cannot be written: {error.strerror or error}") from error

    def _splits_of(self, name: str) -> list[Split]:
        """Return the splits that can hold an image."""
        own = self._paths[name][0] if name in self._paths else None
        return [self._splits[own]] if own is not None else list(self._splits.values())

    def _split_to_write(self, name: str) -> Split:
        """Return the split of an image; in a folder without splits, a new image gets one."""
        candidates = self._splits_of(name)
        if len(candidates) == 1:
            return candidates[0]
        for split in candidates:
            if split.record(_file_name(name, split)) is not None:
                return split
        labeled = sum(len(split.content["images"]) for split in candidates)
        return self._splits[VAL if labeled % EVERY == 1 else TRAIN]

    def _category(self, name: str, split: Split) -> tuple[int, bool]:
        """Return the identifier of a class in a split, and whether the class is new; all splits get a new class."""
        own = {one["name"]: one["id"] for one in split.content["categories"]}
        if name in own:
            return own[name], False
        categories = [other.content["categories"] for other in self._splits.values()]
        number = 1 + max((one["id"] for some in categories for one in some), default=0)
        for some in categories:
            if all(one["name"] != name for one in some):
                some.append({"id": number, "name": name})
        return number, True

    def _read_object(self, path: Path, json_path: Path, one: dict[str, Any], names: dict[int, str]) -> Labeled:
        where = f"{json_path}: annotation {one['id']}"
        mask = decode_shape(read_shape(one, where, allow_empty=True), header_size(path), where)
        return Labeled(names.get(one["category_id"], "object"), _turned(mask, path), one["id"])


def _read_splits(root: Path) -> dict[str, Split]:
    """Return the splits of a folder; train and val, without annotations, if it has none."""
    found = {}
    for path in sorted((root / "annotations").glob("instances_*.json")):
        name = path.stem.removeprefix("instances_")
        own = root / name
        found[name] = read_split(path, own if own.is_dir() else root)
    if all(split.images == root for split in found.values()):
        for name in (TRAIN, VAL):
            found.setdefault(name, Split(root / "annotations" / f"instances_{name}.json", root))
    return found


def _read_or_new(path: Path, images: Path) -> Split:
    """Return a split from its file; one without annotations if there is no file yet."""
    return read_split(path, images) if path.exists() else Split(path, images)


def _find_images(root: Path, splits: dict[str, Split]) -> dict[str, tuple[str | None, Path]]:
    """Return split and file of every image by its name; the split is None if it is not given by the folder."""
    found: dict[str, tuple[str | None, Path]] = {}
    for name, split in splits.items():
        if split.images != root:
            found |= {f"{name}/{path.name}": (name, path) for path in _images_in(split.images)}
    if any(split.images == root for split in splits.values()):
        found |= {path.name: (None, path) for path in _images_in(root)}
    found = {name: place for name, place in found.items() if _inside(place[1], root) and _is_written(name)}
    return found or {path.name: (None, path) for path in image_files(root)}  # which says what is wrong


def _images_in(folder: Path) -> list[Path]:
    """Return the images of a folder; none if it has none."""
    has_some = any(path.suffix.lower() in SUFFIXES for path in folder.iterdir())
    return image_files(folder) if has_some else []


def _is_written(name: str) -> bool:
    """Return whether a name is text, which names of files need not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(path: Path, root: Path) -> bool:
    """Return whether a file is in the folder, and no link out of it."""
    return path.resolve().is_relative_to(root.resolve())


def _file_name(name: str, split: Split) -> str:
    return name.removeprefix(f"{split.images.name}/") if split.images.name and "/" in name else name


def _turned(mask: Tensor, path: Path, *, back: bool = False) -> Tensor:
    """Return a mask of the stored pixels turned upright as the photograph is, or back."""
    turn = header_turn(path)
    if turn is None:
        return mask
    picture = Image.fromarray(mask.numpy().astype(np.uint8))
    return torch.from_numpy(np.array(picture.transpose(BACK.get(turn, turn) if back else turn)).astype(np.bool_))
