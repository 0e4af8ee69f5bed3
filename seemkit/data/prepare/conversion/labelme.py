"""Folders of labelme: one JSON with shapes per image."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from seemkit.data.prepare.conversion.annotated_image import (
    NO_CLASSES,
    AnnotatedImage,
    ForeignFolder,
    Instance,
    Segmentation,
    image_files,
    note_unread,
    stored_image,
)
from seemkit.data.prepare.conversion.geometry import circle, polygon, union
from seemkit.errors import InputError
from seemkit.io.folder import visible
from seemkit.io.image import open_image
from seemkit.io.json_file import field, read_json
from seemkit.ops.rle import encode_mask
from seemkit.types import Size


def read(folder: Path, names: tuple[str, ...] | None, notes: Counter[str]) -> ForeignFolder:
    """Return the images that the JSONs in a folder and its subfolders describe.

    An image is the file at `imagePath`, else the file of that name beside the JSON, else `imageData`. Polygons,
    rectangles, circles and masks are read; shapes with the same label and `group_id` are one instance. Other shapes are
    counted in `notes`.

    Args:
        folder: the folder with the JSONs.
        names: the class names; None means the labels that occur.
        notes: counts what is skipped or clipped.

    Raises:
        InputError: the folder has no JSON. During iteration: a file is damaged, an image is missing or has another size
            than when it was labeled, a label is not in `names`, or a shape is invalid. The message names file and
            field.
    """
    files = visible(folder.rglob("*.json"))
    if not files:
        raise InputError(f"{folder}: holds no .json; give the folder that labelme saved into")
    return ForeignFolder(names, _pictures(folder, files, names, notes))


def _pictures(
    folder: Path, files: list[Path], names: tuple[str, ...] | None, notes: Counter[str]
) -> Iterator[AnnotatedImage]:
    used = set()
    for path in files:
        content = read_json(path)
        if "shapes" not in content and "annotations" in content:
            raise InputError(f"{path}: is a file of COCO, not of labelme; COCO's layouts need no conversion")
        name = field(content, "imagePath", str, str(path)).replace("\\", "/")
        image = _image_path(path, name)
        if image is None or (content.get("imageData") is not None and not _readable(image)):
            size, save = _embedded_image(content, name, path)
        else:
            size, save = stored_image(image)
            used.add(image.resolve())
        _check_size(content, size, path)
        instances = _instances(content, names, size, path, notes)
        place = (path.parent.relative_to(folder) / Path(name).name).as_posix()
        yield AnnotatedImage(place, path, size, save, None, instances)
    note_unread(folder, notes)
    if without := sum(image.resolve() not in used for image in image_files(folder)):
        notes["images without a JSON: skipped"] += without


def _image_path(path: Path, name: str) -> Path | None:
    """Return the image file of a JSON, or None if it does not exist."""
    places = (path.parent / name, path.parent / Path(name).name)
    return next((place for place in places if place.is_file()), None)


def _readable(image: Path) -> bool:
    try:
        open_image(image)
    except InputError:
        return False
    return True


def _embedded_image(content: dict[str, Any], name: str, path: Path) -> tuple[Size, Callable[[Path], object]]:
    """Return the size of the image in `imageData` and a function that writes the image."""
    if content.get("imageData") is None:
        raise InputError(f"{path}: 'imagePath' {name}: no such image, and 'imageData' is null; add the image")
    image = _decoded(content, "imageData", str(path))
    return Size(image.height, image.width), partial(_save_embedded, path)


def _save_embedded(path: Path, target: Path) -> None:
    target.write_bytes(base64.b64decode(read_json(path)["imageData"]))


def _decoded(record: dict[str, Any], key: str, where: str) -> Image.Image:
    """Return the image that a field holds in base64."""
    text = field(record, key, str, where)
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text)))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{where}: '{key}' is not an image in base64; label the image again") from error
    return image


def _check_size(content: dict[str, Any], size: Size, path: Path) -> None:
    for key, actual in (("imageHeight", size.height), ("imageWidth", size.width)):
        stated = content.get(key)
        if stated is not None and stated != actual:
            raise InputError(
                f"{path}: '{key}' is {stated} but the image has {actual}; restore the image that was labeled"
            )


def _instances(
    content: dict[str, Any], names: tuple[str, ...] | None, size: Size, path: Path, notes: Counter[str]
) -> tuple[Instance, ...]:
    groups: dict[tuple[str, object], list[Segmentation]] = {}
    for index, shape in enumerate(field(content, "shapes", list, str(path))):
        where = f"{path}: shapes[{index}]"
        label = field(shape, "label", str, where).strip()
        kind = shape.get("shape_type") or "polygon"  # old files have no type and only polygons
        if label in NO_CLASSES:
            notes[f"shapes labeled {label!r}: skipped"] += 1
        elif kind not in ("polygon", "rectangle", "circle", "mask"):
            notes[f"shapes of type {kind!r}: skipped"] += 1
        elif not label or (names is not None and label not in names):
            raise InputError(f"{where}: 'label' {label!r} is not among the class names; correct it or add it to them")
        else:
            group = shape.get("group_id")
            # a shape without group_id is one group; its tuple differs from every group_id
            key = (label, (index,) if group is None else str(group))
            groups.setdefault(key, []).append(_segmentation(shape, kind, size, where, notes))
    return tuple(Instance(label, union(parts, size)) for (label, _), parts in groups.items())


def _segmentation(shape: dict[str, Any], kind: str, size: Size, where: str, notes: Counter[str]) -> Segmentation:
    points = _points(shape, where)
    if kind == "mask":
        return _mask(shape, points, size, where)
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    elif kind == "circle":
        if len(points) != 2:
            raise InputError(f"{where}: 'points' of a circle must be its center and a point on its rim; draw it again")
        points = circle(*points)
    if len(points) < 3:
        raise InputError(
            f"{where}: 'points' has {len(points)} points, too few for a {kind}; draw it again or remove it"
        )
    return polygon(points, size, notes)


def _points(shape: dict[str, Any], where: str) -> NDArray[np.float64]:
    """Return the points of a shape, float [N, 2]."""
    try:
        points = np.array(field(shape, "points", list, where), dtype=np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise InputError(f"{where}: 'points' must be pairs of numbers [[x, y], …]; draw it again or remove it")
    return points


def _mask(shape: dict[str, Any], points: NDArray[np.float64], size: Size, where: str) -> Segmentation:
    """Return the run lengths of a mask, which is given as a small image and the position of its top left corner."""
    small = np.array(_decoded(shape, "mask", where).convert("L")) > 0
    left, top = np.floor(points.min(axis=0)).astype(int).tolist()
    inside = small[max(0, -top) : max(0, size.height - top), max(0, -left) : max(0, size.width - left)]
    mask = np.zeros(size, dtype=np.bool_)
    mask[max(0, top) :, max(0, left) :][: inside.shape[0], : inside.shape[1]] = inside
    return encode_mask(torch.from_numpy(mask))
