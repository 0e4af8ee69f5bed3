"""Palette PNGs of objects and of classes, in the folders of Pascal VOC."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from seemkit.errors import InputError
from seemkit.formats.base import Format, SegmentedImage
from seemkit.formats.coco import number_pixels
from seemkit.io.atomic import replacing

MOST = 254
"""Largest number of objects or classes; 0 is the background and 255 is void."""


class Palette(Format):
    """``SegmentationObject/NAME.png``, ``SegmentationClass/NAME.png`` and ``labels.txt`` in ``palette/``.

    Index 0 is the background. Objects are numbered from 1 in each image. The name of class i is in line i of the text
    file, counted from 1. A pixel in several masks belongs to the one with the highest logit.
    """

    def _add(self, image: SegmentedImage) -> None:
        """Write the PNGs of an image.

        Raises:
            InputError: the image has more than 254 objects, or all images together more than 254 classes.
        """
        classes = torch.tensor([0, *(self.categories.index(one.label) + 1 for one in image.found)])
        for count, what in ((len(image.found), "objects"), (len(self.categories.names), "classes")):
            if count > MOST:
                raise InputError(f"{image.path}: {count} {what}; a palette PNG has at most {MOST} (use coco-panoptic)")
        objects = number_pixels(image)
        self._save(image, "SegmentationObject", objects)
        self._save(image, "SegmentationClass", classes[objects])

    def finish(self) -> None:
        """Write the class names."""
        folder = self.folder / "palette"
        folder.mkdir(exist_ok=True)
        with replacing(folder / "labels.txt") as path:
            path.write_text("".join(f"{name}\n" for name in self.categories.names), encoding="utf-8")

    def _save(self, image: SegmentedImage, kind: str, indices: torch.Tensor) -> None:
        folder = self.folder / "palette" / kind
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(indices.numpy().astype(np.uint8))
        picture.putpalette(_colors().tobytes())
        with replacing(folder / f"{image.path.stem}.png") as path:
            picture.save(path, format="PNG")


def _colors() -> NDArray[np.uint8]:
    """Return the 256 colors of Pascal VOC, [256, 3]: the bits of the index, spread over red, green and blue."""
    indices = np.arange(256)
    colors = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= ((indices >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colors
