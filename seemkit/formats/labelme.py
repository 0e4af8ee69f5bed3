"""labelme: one JSON for each image (https://github.com/wkentaro/labelme)."""

from __future__ import annotations

import base64
import io
import os
from typing import Any

import numpy as np
from PIL import Image

from seemkit.formats.base import Format, SegmentedImage
from seemkit.inference.prediction import Prediction
from seemkit.io.atomic import write_json
from seemkit.ops.outline import INSET, Part, parts

VERSION = "5.5.0"
"""The version of labelme whose fields the files have."""


class Labelme(Format):
    """``labelme/NAME.json``, which points to the image file.

    A mask becomes polygons, those of one mask with the same `group_id`. A mask with holes becomes a shape of type
    `mask`, because polygons have no holes. The score is in `description`.
    """

    def _add(self, image: SegmentedImage) -> None:
        """Write the JSON of an image."""
        folder = self.folder / "labelme"
        folder.mkdir(exist_ok=True)
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": [shape for number, one in enumerate(image.found) for shape in _shapes(one, number)],
            "imagePath": os.path.relpath(image.path.resolve(), folder.resolve()),
            "imageData": None,
            "imageHeight": image.size.height,
            "imageWidth": image.size.width,
        }
        write_json(folder / f"{image.path.stem}.json", content)

    def finish(self) -> None:
        """Do nothing: every image has its own file."""


def _shapes(found: Prediction, number: int) -> list[dict[str, Any]]:
    """Return the shapes of a prediction, which is the one with this number in its image."""
    outlines = parts(found.mask, INSET)
    if any(part.holes for part in outlines):
        return [_mask(found)]
    group = number if len(outlines) > 1 else None
    return [_shape(found, "polygon", _points(part), group) for part in outlines]


def _points(part: Part) -> list[list[float]]:
    return part.outer.round(2).tolist()


def _mask(found: Prediction) -> dict[str, Any]:
    """Return the shape with the pixels of the mask inside its box."""
    assert found.box is not None
    left, top, right, bottom = found.box
    stored = io.BytesIO()
    Image.fromarray(found.mask[top:bottom, left:right].numpy().astype(np.uint8) * 255).save(stored, format="PNG")
    corners = [[float(left), float(top)], [float(right - 1), float(bottom - 1)]]
    return {**_shape(found, "mask", corners, None), "mask": base64.b64encode(stored.getvalue()).decode("ascii")}


def _shape(found: Prediction, kind: str, points: list[list[float]], group: int | None) -> dict[str, Any]:
    return {
        "label": found.label,
        "points": points,
        "group_id": group,
        "description": f"score {found.score:.3f}",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }
