"""Images excluded from training because another dataset evaluates on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from seemkit.data.coco.annotations import ImageAnnotation, ImageId, read_image_id
from seemkit.data.coco.refs_file import load_refs
from seemkit.errors import InputError
from seemkit.io.json_file import field, load_json

A = TypeVar("A", bound=ImageAnnotation)


def without_images(annotations: Sequence[A], sources: Iterable[str | Path]) -> list[A]:
    """Return the annotations of the images that no source contains (see `read_image_ids`).

    Raises:
        InputError: a source is faulty, or no image is left.
    """
    sources = tuple(sources)
    excluded: set[ImageId] = set().union(*map(read_image_ids, sources))
    kept = [annotation for annotation in annotations if annotation.image_id not in excluded]
    if annotations and not kept:
        raise InputError(f"exclude: {', '.join(map(str, sources))} leave no image in the split; exclude fewer")
    return kept


def read_image_ids(source: str | Path) -> set[ImageId]:
    """Return the ids of the images in a file.

    Args:
        source: JSON file with "images" or "refs", or a RefCOCO refs file (see `read_refs`). To select one split of the
            refs, add it after a number sign: ``refs(umd).p#val``.

    Raises:
        InputError: the file is missing or faulty, or has no ref of the split; the message names file and field.
    """
    path, split = Path(source), ""
    if not path.is_file() and "#" in path.name:
        name, _, split = path.name.rpartition("#")
        path = path.with_name(name)
    content = load_json(path) if path.suffix == ".json" else load_refs(path)
    if isinstance(content, dict) and "images" in content and not split:
        images = field(content, "images", list, str(path))
        return {read_image_id(image, "id", f"{path}: images[{i}]") for i, image in enumerate(images)}
    refs = content if isinstance(content, list) else field(content, "refs", list, str(path))
    ids: set[ImageId] = set()
    for index, ref in enumerate(refs):
        where = f"{path}: refs[{index}]"
        if not split or field(ref, "split", str, where) == split:
            ids.add(read_image_id(ref, "image_id", where))
    if split and not ids:
        raise InputError(f"{path}: has no ref of split '{split}'; correct the split after #")
    return ids
