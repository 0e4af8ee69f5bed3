"""What a command writes for one or more images: masks, an overlay and a JSON for each, or files of other programs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seemkit.errors import InputError
from seemkit.formats.base import SegmentedImage
from seemkit.formats.registry import FORMATS
from seemkit.inference.drawing import captions, overlay, to_pil
from seemkit.inference.prediction import Prediction

MASKS = "masks"
"""The format that is not for another program: masks, overlay and ``result.json``."""


def check_formats(formats: Sequence[str], option: str) -> None:
    """Raise InputError, which names the option, unless all formats are known and there is one."""
    known = ", ".join((MASKS, *FORMATS))
    if not formats:
        raise InputError(f"{option}: is empty; use one of {known}")
    for name in formats:
        if name not in (MASKS, *FORMATS):
            raise InputError(f"{option} {name}: unknown; use one of {known}")


class Output:
    """Writes the results of one or more images in the chosen formats.

    Args:
        out: output folder, which is made if it is missing.
        formats: `MASKS` and names of `FORMATS`.

    Raises:
        OSError: `out` cannot be written.
    """

    def __init__(self, out: Path, formats: Sequence[str]) -> None:
        self._out = out
        self._masks = MASKS in formats
        out.mkdir(parents=True, exist_ok=True)
        self._writers = [FORMATS[name](out) for name in dict.fromkeys(formats) if name != MASKS]

    def add(self, image: SegmentedImage, subfolder: str = "") -> int:
        """Write the results of an image, and return their number; masks, overlay and JSON go to a subfolder.

        Raises:
            OSError: a file cannot be written.
            InputError: the results do not fit a format.
        """
        if self._masks:
            _write_masks(self._out / subfolder, image)
        for writer in self._writers:
            writer.add(image)
        return len(image.found)

    def finish(self) -> None:
        """Write the files that belong to all images.

        Raises:
            OSError: a file cannot be written.
        """
        for writer in self._writers:
            writer.finish()


def _write_masks(out: Path, image: SegmentedImage) -> None:
    """Write the masks, the overlay and ``result.json`` to a temporary folder in `out`, then move the complete files."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".segment-") as folder:
        rows = []
        for index, prediction in enumerate(image.found):
            file = f"mask_{index:02d}.png"
            prediction.pil().save(Path(folder) / file)
            name = image.names[index] if image.names else None
            rows.append({**({} if name is None else {"name": name}), **_record(file, prediction)})
        if image.picture is not None:
            to_pil(image.picture).save(Path(folder) / "overlay.png")
        content = {"image": str(image.path), "prompts": image.prompts, "objects": rows}
        (Path(folder) / "result.json").write_text(json.dumps(content, indent=2) + "\n")
        for stale in _earlier_masks(out):
            stale.unlink(missing_ok=True)
        for path in sorted(Path(folder).iterdir()):
            shutil.move(path, out / path.name)


def picture(
    pixels: Tensor, found: Sequence[Prediction], marks: Callable[[Tensor], Tensor] = lambda drawn: drawn
) -> Tensor:
    """Return an image with the masks and their labels drawn in, uint8 [3, H, W].

    Args:
        pixels: the image, uint8 [3, H, W].
        found: the predictions, of the image's size.
        marks: draws something on the masks, below the labels.
    """
    size = pixels.shape[-2:]
    masks = torch.stack([one.mask for one in found]) if found else torch.zeros((0, *size), dtype=torch.bool)
    drawn = marks(overlay(pixels, masks))
    return captions(drawn, [(one.mask, f"{one.label} {one.score:.2f}") for one in found])


def _earlier_masks(out: Path) -> list[Path]:
    """Return the masks that the ``result.json`` in `out` names, the only files to remove; none without such a file."""
    try:
        records = json.loads((out / "result.json").read_text(encoding="utf-8"))["objects"]
        return [out / Path(record["mask"]).name for record in records]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _record(file: str, prediction: Prediction) -> dict[str, Any]:
    found = prediction.to_coco()
    shape = {key: found[key] for key in ("score", "area", "bbox", "segmentation")}
    return {"label": prediction.label, **shape, "mask": file}
