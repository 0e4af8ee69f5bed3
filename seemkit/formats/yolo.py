"""Ultralytics YOLO for segmentation: a text file of polygons for each image, and a data.yaml.

Source: https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

import yaml

from seemkit.formats.base import Format, SegmentedImage
from seemkit.io.atomic import replacing
from seemkit.ops.outline import joined


class Yolo(Format):
    """``yolo/labels/NAME.txt`` with a line ``class x1 y1 x2 y2 …`` for each mask, and ``yolo/data.yaml``.

    The format has one polygon for an object. Lines of no width join the parts of a mask and its holes; the smallest
    parts are left out, see `seemkit.ops.outline.joined`. The images belong in ``yolo/images/``.
    """

    def _add(self, image: SegmentedImage) -> None:
        """Write the text file of an image."""
        lines = []
        for one in image.found:
            ring = joined(one.mask) / (image.size.width, image.size.height)
            if len(ring):
                numbers = " ".join(f"{value:.6f}" for value in ring.ravel())
                lines.append(f"{self.categories.index(one.label)} {numbers}\n")
        folder = self.folder / "yolo" / "labels"
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{image.path.stem}.txt") as path:
            path.write_text("".join(lines), encoding="utf-8")

    def finish(self) -> None:
        """Write the data.yaml."""
        names = dict(enumerate(self.categories.names))
        content = {"path": ".", "train": "images", "val": "images", "names": names}
        folder = self.folder / "yolo"
        folder.mkdir(exist_ok=True)
        with replacing(folder / "data.yaml") as path:
            path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
