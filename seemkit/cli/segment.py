"""``seemkit segment``: segment one image file; write masks, an overlay and a JSON file of results."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seemkit.cli.model import Load
from seemkit.cli.prompts_file import named_prompts
from seemkit.errors import InputError
from seemkit.inference.drawing import draw_prompts, overlay, to_pil
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.io.image import read_image
from seemkit.prompts.registry import prompt_to_json
from seemkit.prompts.values import Prompt


@dataclass(frozen=True)
class SegmentOptions:
    """Options of `seemkit segment`.

    Attributes:
        words: ``"kind=value"`` for each prompt; all of them describe one object.
        file: JSON file with the prompts of named objects, see `seemkit.cli.prompts_file`.
        classes: class names for labels; None for those of the model.
        threshold: lowest class score of a segment, 0 to 1; used only without prompts.
        seed: random seed of the session.
    """

    words: Sequence[str] = ()
    file: Path | None = None
    classes: Sequence[str] | None = None
    threshold: float = 0.5
    seed: int = 0


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


def segment_file(image: Path, load: Load, options: SegmentOptions, out: Path) -> list[str]:
    """Segment an image and write masks, overlay and ``result.json``; return one line for each mask, and the folder.

    Args:
        image: image file.
        load: returns the network for the prompts; called after image and prompts are read.
        options: prompts and settings; without prompts, everything is segmented.
        out: output folder. The results of an earlier call are replaced once the new ones are complete.

    Raises:
        InputError: the image, a prompt, an option or the model is invalid, or `out` cannot be written.
    """
    check(options)
    pixels = read_image(image, upright=True)
    objects = named_prompts(options.words, options.file)
    session = Session(load(objects), pixels, options.seed, options.classes)
    result = find(session, image, pixels, objects, options.threshold)
    write(out, result)
    lines = [_line(name if len(objects) > 1 else None, prediction) for name, prediction in result.found]
    if not lines:
        lines = [f"nothing found: no segment has a class score above {options.threshold:g} (--threshold)"]
    return [*lines, f"written to {out}"]


def check(options: SegmentOptions) -> None:
    """Raise InputError unless the threshold is a probability."""
    if not 0 <= options.threshold <= 1:
        raise InputError(f"--threshold {options.threshold:g}: expected a probability, 0 to 1")


def find(
    session: Session, image: Path, pixels: Tensor, objects: Mapping[str, tuple[Prompt, ...]], threshold: float
) -> Result:
    """Return the predictions of a new session for the objects, or for all segments without objects.

    Raises:
        InputError: a prompt is outside the image, or all prompts of an object are negative.
    """
    for name, prompts in objects.items():
        session.add(*prompts, name=name)
    found: list[tuple[str | None, Prediction]] = [*session.predict_all().items()]
    if not objects:
        found = [(None, segment) for segment in session.panoptic(threshold=threshold)]
    return Result(image, pixels, session, objects, found)


def write(out: Path, result: Result) -> None:
    """Write the masks, the overlay and ``result.json`` to a temporary folder in `out`, then move the complete files.

    Raises:
        InputError: `out` cannot be written.
    """
    said = {name: [prompt_to_json(prompt) for prompt in prompts] for name, prompts in result.prompts.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".segment-") as folder:
            rows = []
            for index, (name, prediction) in enumerate(result.found):
                file = f"mask_{index:02d}.png"
                Image.fromarray(prediction.mask.numpy().astype(np.uint8) * 255).save(Path(folder) / file)
                rows.append({**({} if name is None else {"name": name}), **_record(file, prediction)})
            to_pil(_picture(result)).save(Path(folder) / "overlay.png")
            content = {"image": str(result.image), "prompts": said, "objects": rows}
            (Path(folder) / "result.json").write_text(json.dumps(content, indent=2) + "\n")
            for stale in _earlier_masks(out):
                stale.unlink(missing_ok=True)
            for path in sorted(Path(folder).iterdir()):
                shutil.move(path, out / path.name)
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there: {error.strerror or error}") from error


def _picture(result: Result) -> Tensor:
    """Return the image with the masks and the marks of the prompts drawn in, uint8 [3, H, W]."""
    session, found = result.session, [prediction.mask for _, prediction in result.found]
    masks = torch.stack(found) if found else torch.zeros((0, *session.size), dtype=torch.bool)
    prompts = itertools.chain.from_iterable(result.prompts.values())
    return draw_prompts(overlay(result.pixels, masks), prompts, session.network.sampler)


def _line(name: str | None, prediction: Prediction) -> str:
    said = f"{prediction.label}  score {prediction.score:.3f}  {prediction.area} pixels"
    return f"{'' if name is None else f'{name}: '}{said if prediction.area else f'{prediction.label}: no pixels found'}"


def _earlier_masks(out: Path) -> list[Path]:
    """Return the masks that the ``result.json`` in `out` names, the only files to remove; none without such a file."""
    try:
        records = json.loads((out / "result.json").read_text(encoding="utf-8"))["objects"]
        return [out / Path(record["mask"]).name for record in records]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _record(file: str, prediction: Prediction) -> dict[str, Any]:
    left, top, right, bottom = prediction.box or (0, 0, 0, 0)
    return {
        "label": prediction.label,
        "score": round(prediction.score, 6),
        "area": prediction.area,
        "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
        "segmentation": prediction.rle,
        "mask": file,
    }
