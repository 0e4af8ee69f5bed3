"""Label Studio: tasks with predictions, which its import reads (https://labelstud.io/guide/predictions).

The masks are brush labels, in the run lengths of rle-pack (https://github.com/thi-ng/umbrella, packages/rle-pack): the
number of values in 32 bits, the bits of a value minus 1 in 5, four numbers of bits for the length of a run, minus 1, in
4 each; then for each run a bit 1, two bits that choose one of the four, the length minus 1, and the value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from seemkit._version import __version__
from seemkit.formats.base import Format, SegmentedImage
from seemkit.inference.prediction import Prediction
from seemkit.io.atomic import replacing, write_json

LENGTH_BITS, VALUE_BITS = 16, 8
CHANNELS = 4  # a brush stores each pixel as red, green, blue and alpha
IMAGE, BRUSH = "image", "mask"


class LabelStudio(Format):
    """``label_studio.json``, and the labeling interface ``label_studio.xml`` for it.

    The image of a task is ``/data/local-files/?d=FOLDER/NAME``, so Label Studio must serve the parent of the image's
    folder as its local files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._tasks: list[dict[str, Any]] = []

    def _add(self, image: SegmentedImage) -> None:
        """Add the task of an image, with the masks that have pixels."""
        place = quote("/".join(image.path.resolve().parts[-2:]))
        found = [one for one in image.found if one.area]
        for one in found:
            self.categories.index(one.label)
        prediction = {
            "model_version": f"seemkit {__version__}",
            "score": round(float(np.mean([one.score for one in found])), 6) if found else 0.0,
            "result": [_result(one, f"{number}") for number, one in enumerate(found, start=1)],
        }
        self._tasks.append({"data": {IMAGE: f"/data/local-files/?d={place}"}, "predictions": [prediction]})

    def finish(self) -> None:
        """Write the tasks and the interface."""
        write_json(self.folder / "label_studio.json", self._tasks)
        labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in self.categories.names)
        with replacing(self.folder / "label_studio.xml") as path:
            path.write_text(
                f'<View>\n  <Image name="{IMAGE}" value="${IMAGE}"/>\n  <BrushLabels name="{BRUSH}" toName="{IMAGE}">\n'
                f"{labels}  </BrushLabels>\n</View>\n",
                encoding="utf-8",
            )


def _result(found: Prediction, number: str) -> dict[str, Any]:
    height, width = found.size
    return {
        "id": number,
        "type": "brushlabels",
        "from_name": BRUSH,
        "to_name": IMAGE,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": round(found.score, 6),
        "value": {"format": "rle", "rle": brush_rle(found.mask.numpy()), "brushlabels": [found.label]},
    }


def brush_rle(mask: NDArray[np.bool_]) -> list[int]:
    """Return a mask [H, W] as the bytes of a brush label: every pixel has four values, 255 inside and 0 outside."""
    values = mask.ravel()
    starts = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
    lengths = np.diff(np.append(starts, values.size)) * CHANNELS
    most = 2**LENGTH_BITS
    counts = -(-lengths // most)  # a long run is split
    pieces = np.full(counts.sum(), most)
    pieces[counts.cumsum() - 1] = lengths - (counts - 1) * most
    inside = np.repeat(values[starts], counts).astype(np.int64) * (2**VALUE_BITS - 1)
    runs = (0b111 << LENGTH_BITS | pieces - 1) << VALUE_BITS | inside
    header = [_bits(np.array([values.size * CHANNELS]), 32), _bits(np.array([VALUE_BITS - 1]), 5)]
    header += [_bits(np.full(4, LENGTH_BITS - 1), 4), _bits(runs, 3 + LENGTH_BITS + VALUE_BITS)]
    return np.packbits(np.concatenate(header)).tolist()


def _bits(numbers: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """Return the last `count` bits of each number, the highest first, one after the other."""
    return (numbers[:, None] >> np.arange(count)[::-1] & 1).astype(np.uint8).ravel()
