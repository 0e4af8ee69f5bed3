"""Contact sheet of a written split: scenes with their panoptic maps and one phrase each."""

from __future__ import annotations

import colorsys
import json
import textwrap
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from seemkit.data.scenes.vocabulary import CLASSES, STUFF
from seemkit.errors import InputError
from seemkit.io.panoptic_png import decode_ids

_CELL: Final = 192
_GAP: Final = 8
_CAPTION: Final = 36
_FONT_SIZE: Final = 13
_PHRASE_WIDTH: Final = 30
"""Maximum number of characters in a line of a caption, which has two lines."""


def contact_sheet(root: Path, split: str, path: Path, columns: int = 6, rows: int = 2) -> None:
    """Write a PNG of the first scenes of a split, each above its panoptic map and one phrase.

    The map has a white line around the thing that the phrase names.

    Args:
        root: a folder written by `write_scenes`.
        split: name of one of its splits.
        path: the PNG to write.
        columns: number of columns of scenes.
        rows: number of rows of scenes; the split needs at least `columns * rows` images.

    Raises:
        InputError: the split is missing or too small.
    """
    source = root / "annotations" / f"panoptic_{split}.json"
    if not source.is_file():
        raise InputError(f"{source}: not found; write the scenes first, or name one of their splits")
    panoptic = json.loads(source.read_text(encoding="utf-8"))
    refs = json.loads((source.parent / f"refs_{split}.json").read_text(encoding="utf-8"))["refs"]
    annotations = panoptic["annotations"][: columns * rows]
    if len(annotations) < columns * rows:
        raise InputError(f"{source}: {len(annotations)} images are too few for {columns} x {rows}; ask for fewer")
    width, height = _CELL + _GAP, 2 * _CELL + _CAPTION + _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
    for position, annotation in enumerate(annotations):
        row, column = divmod(position, columns)
        of_image = [ref for ref in refs if ref["image_id"] == annotation["image_id"]]
        # An image lists attribute phrases first and relations last; counting from the end varies the kind.
        ref = of_image[-1 - position % len(of_image)]
        sheet.paste(_cell(root, split, annotation, ref), (_GAP + column * width, _GAP + row * height))
    sheet.save(path, optimize=True)


def _cell(root: Path, split: str, annotation: dict[str, Any], ref: dict[str, Any]) -> Image.Image:
    """Return one scene above its colored map and its phrase."""
    name = annotation["file_name"]
    with Image.open(root / split / name) as picture:
        scene = picture.convert("RGB").resize((_CELL, _CELL), Image.Resampling.BICUBIC)
    with Image.open(root / "annotations" / f"panoptic_{split}" / name) as picture:
        ids = decode_ids(np.asarray(picture.resize((_CELL, _CELL), Image.Resampling.NEAREST)))
    cell = Image.new("RGB", (_CELL, 2 * _CELL + _CAPTION), "white")
    cell.paste(scene, (0, 0))
    cell.paste(Image.fromarray(_colored(ids, annotation["segments_info"], ref["ann_id"])), (0, _CELL))
    text = textwrap.fill(ref["sentences"][0]["sent"], _PHRASE_WIDTH)
    font = ImageFont.load_default(_FONT_SIZE)
    ImageDraw.Draw(cell).text((_CELL / 2, 2 * _CELL + 3), text, "black", font, anchor="ma", align="center")
    return cell


def _colored(ids: NDArray[np.int64], segments: list[dict[str, Any]], chosen: int) -> NDArray[np.uint8]:
    """Return the colored map [H, W, 3], vivid for things and pale for stuff, with a white line around one segment."""
    picture = np.zeros((*ids.shape, 3), np.uint8)
    for segment in segments:
        mask = ids == segment["id"]
        picture[mask] = _color(segment["category_id"])
        picture[mask & ~ndimage.binary_erosion(mask, border_value=1)] = (40, 40, 40)
    mask = ids == chosen
    picture[mask & ~ndimage.binary_erosion(mask, iterations=3)] = (255, 255, 255)
    return picture


def _color(category: int) -> tuple[int, int, int]:
    """Return the color of a category; golden-ratio steps give consecutive ids very different hues."""
    stuff = CLASSES[category - 1] in STUFF
    red, green, blue = colorsys.hsv_to_rgb(category * 0.618 % 1, 0.3 if stuff else 0.75, 0.6 if stuff else 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
