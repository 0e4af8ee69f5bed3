"""The prediction for one object: a mask in the pixels of the original image, a label and a score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from seemkit.errors import InputError
from seemkit.inference import drawing
from seemkit.io.atomic import replacing
from seemkit.io.user_image import UserImage, load_image
from seemkit.ops.inference_mode import ordinary
from seemkit.ops.outline import Ring, parts
from seemkit.ops.rle import encode_mask
from seemkit.types import Size


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The prediction for one object.

    Attributes:
        mask: bool [H, W], at the original size of the image, on the CPU.
        logits: float [H, W], mask logits. `mask` is True where they are positive; a pixel of several panoptic segments
            belongs to one of them only.
        label: class name or phrase.
        score: confidence, 0..1. For prompted objects, the mean probability inside the mask; for panoptic segments, the
            class probability; for instances, the product of both.
    """

    mask: Bool[Tensor, "H W"]
    logits: Float[Tensor, "H W"]
    label: str
    score: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", ordinary(self.mask))
        object.__setattr__(self, "logits", ordinary(self.logits))

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"Prediction({self.label!r}, score {self.score:.3f}, {self.area} pixels of {width} x {height})"

    @property
    def size(self) -> Size:
        """Height and width of the mask."""
        return Size(*self.mask.shape)

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(self.mask.sum())

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom edge of the mask, in pixels; None if the mask is empty."""
        rows, columns = (self.mask.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
        return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if rows else None

    @property
    def rle(self) -> dict[str, Any]:
        """The exact mask, run-length encoded as in COCO: ``{"size": [H, W], "counts": "..."}``."""
        return encode_mask(self.mask)

    @property
    def polygon(self) -> list[Ring]:
        """Outlines of the mask's parts, largest first, each (x, y) [n, 2] without repeating the first point.

        The outlines run along the edges of the pixels, with cut corners. Holes are omitted; `rle` includes them, and so
        does `seemkit.ops.outline.parts`.
        """
        return [part.outer for part in parts(self.mask)]

    def numpy(self) -> NDArray[np.bool_]:
        """Return the mask as an array, bool [H, W]."""
        return self.mask.numpy()

    def pil(self) -> Image.Image:
        """Return the mask as a Pillow image of mode L: 255 inside, 0 outside."""
        return Image.fromarray(self.numpy().astype(np.uint8) * 255)

    def overlay(self, image: UserImage) -> Image.Image:
        """Return the image as a Pillow image, with the mask tinted and outlined, and label and score in it.

        Raises:
            InputError: the image is not readable, or has another size than the mask.
        """
        pixels = load_image(image)
        height, width = pixels.shape[-2:]
        if (height, width) != tuple(self.size):
            raise InputError(
                f"overlay: the image has {width} by {height} pixels, the mask {self.size.width} by {self.size.height}"
            )
        tinted = drawing.overlay(pixels, self.mask[None])
        return drawing.to_pil(drawing.captions(tinted, [(self.mask, f"{self.label} {self.score:.2f}")]))

    def save(self, path: str | Path) -> None:
        """Write the mask as an image file, usually a PNG: 255 inside, 0 outside.

        Raises:
            InputError: the file cannot be written, or its suffix is not that of an image format.
        """
        file = Path(path)
        form = Image.registered_extensions().get(file.suffix.lower())
        if form is None:
            raise InputError(f"{file}: is not named as an image; use a name such as {file.stem}.png")
        try:
            with replacing(file) as temporary:
                self.pil().save(temporary, format=form)
        except OSError as error:
            raise InputError(f"{file}: cannot write there: {error.strerror or error}") from error

    def to_coco(self, image_id: int = 1, category_id: int = 1) -> dict[str, Any]:
        """Return the prediction as an annotation in COCO's instances format, with a ``score``; its mask is exact."""
        left, top, right, bottom = self.box or (0, 0, 0, 0)
        return {
            "image_id": image_id,
            "category_id": category_id,
            "segmentation": self.rle,
            "area": self.area,
            "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
            "iscrowd": 0,
            "score": round(self.score, 6),
        }
