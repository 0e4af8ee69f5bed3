"""What ``seemkit segment`` writes: masks, an overlay and a JSON for each image, or the formats of other programs."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seemkit.errors import InputError
from seemkit.formats.base import SegmentedImage
from seemkit.formats.registry import FORMATS
from seemkit.inference.drawing import captions, draw_prompts, overlay, to_pil
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.prompts.registry import prompt_to_json
from seemkit.prompts.values import Prompt

MASKS = "masks"
"""The format that is not for another program: masks, overlay and ``result.json``."""


class Result(NamedTuple):
    """The predictions for an image.

    Attributes:
        image: image file.
        pixels: the image, uint8 [3, H, W].
        session: session that made the predictions.
        prompts: prompts of each object by its name; empty if everything was segmented.
        found: predictions, each with the name of its object; the name is None if everything was segmented.
    """

    image: Path
    pixels: Tensor
    session: Session
    prompts: Mapping[str, tuple[Prompt, ...]]
    found: list[tuple[str | None, Prediction]]


def check_formats(formats: Sequence[str]) -> None:
    """Raise InputError unless all formats are known."""
    for name in formats:
        if name not in (MASKS, *FORMATS):
            raise InputError(f"--format {name}: unknown; use one of {', '.join((MASKS, *FORMATS))}")


class Output:
    """Writes the results of one or more images in the chosen formats; see `seemkit.cli.out_folder.writing`.

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

    def add(self, result: Result, subfolder: str = "") -> int:
        """Write the results of an image, and return their number; masks, overlay and JSON go to a subfolder.

        Raises:
            OSError: a file cannot be written.
            InputError: the results do not fit a format.
        """
        session, found = result.session, [one for _, one in result.found]
        segmented = SegmentedImage(result.image, session.size, found, session.vocabulary)
        if self._masks:
            _write_masks(self._out / subfolder, result)
        for writer in self._writers:
            writer.add(segmented)
        return len(found)

    def finish(self) -> None:
        """Write the files that belong to all images.

        Raises:
            OSError: a file cannot be written.
        """
        for writer in self._writers:
            writer.finish()


def _write_masks(out: Path, result: Result) -> None:
    """Write the masks, the overlay and ``result.json`` to a temporary folder in `out`, then move the complete files."""
    said = {name: [prompt_to_json(prompt) for prompt in prompts] for name, prompts in result.prompts.items()}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".segment-") as folder:
        rows = []
        for index, (name, prediction) in enumerate(result.found):
            file = f"mask_{index:02d}.png"
            prediction.pil().save(Path(folder) / file)
            rows.append({**({} if name is None else {"name": name}), **_record(file, prediction)})
        to_pil(_picture(result)).save(Path(folder) / "overlay.png")
        content = {"image": str(result.image), "prompts": said, "objects": rows}
        (Path(folder) / "result.json").write_text(json.dumps(content, indent=2) + "\n")
        for stale in _earlier_masks(out):
            stale.unlink(missing_ok=True)
        for path in sorted(Path(folder).iterdir()):
            shutil.move(path, out / path.name)


def _picture(result: Result) -> Tensor:
    """Return the image with the masks, their labels and the marks of the prompts drawn in, uint8 [3, H, W]."""
    session, found = result.session, [prediction for _, prediction in result.found]
    masks = torch.stack([one.mask for one in found]) if found else torch.zeros((0, *session.size), dtype=torch.bool)
    prompts = itertools.chain.from_iterable(result.prompts.values())
    drawn = draw_prompts(overlay(result.pixels, masks), prompts, session.network.sampler)
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
