"""``seemkit segment``: one image file to masks, an overlay and a JSON of results."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seemkit.cli.prompts_file import named_prompts
from seemkit.errors import InputError
from seemkit.inference.drawing import draw_prompts, overlay, to_pil
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.io.image import read_image
from seemkit.model.seem import SEEM
from seemkit.prompts.registry import prompt_to_json
from seemkit.prompts.values import Prompt


@dataclass(frozen=True)
class SegmentOptions:
    """What is asked of an image.

    Attributes:
        words: ``"kind=value"`` for each prompt; all describe one object.
        file: a JSON file of the prompts of named objects, as `seemkit.cli.prompts_file` reads it.
        classes: class names for labels; None takes the model's own.
        threshold: least class score of a segment when there is no prompt.
        seed: of the session.
    """

    words: Sequence[str] = ()
    file: Path | None = None
    classes: Sequence[str] | None = None
    threshold: float = 0.5
    seed: int = 0


class Result(NamedTuple):
    """What was found in an image.

    Attributes:
        image: its file.
        pixels: uint8 [3, H, W].
        session: that found it.
        prompts: of each object, by its name; none if everything was segmented.
        found: the predictions, with the names of objects.
    """

    image: Path
    pixels: Tensor
    session: Session
    prompts: Mapping[str, tuple[Prompt, ...]]
    found: list[tuple[str | None, Prediction]]


def segment_file(image: Path, load: Callable[[], SEEM], options: SegmentOptions, out: Path) -> list[str]:
    """One line for each mask found; masks, overlay and ``result.json`` are in `out`.

    Args:
        image: an image file.
        load: makes the network, once image and prompts were read.
        options: the prompts; without any, everything is segmented.
        out: the folder; what an earlier call left in it is replaced when everything is made.

    Raises:
        InputError: the image, a prompt or the model is bad.
    """
    check(options)
    pixels = read_image(image, upright=True)
    objects = named_prompts(options.words, options.file)
    session = Session(load(), pixels, options.seed, options.classes)
    result = find(session, image, pixels, objects, options.threshold)
    write(out, result)
    lines = [_line(name if len(objects) > 1 else None, prediction) for name, prediction in result.found]
    if not lines:
        lines = [f"nothing found: no segment has a class score above {options.threshold:g} (--threshold)"]
    return [*lines, f"written to {out}"]


def check(options: SegmentOptions) -> None:
    """Nothing, if the options can be.

    Raises:
        InputError: the threshold is no probability.
    """
    if not 0 <= options.threshold <= 1:
        raise InputError(f"--threshold {options.threshold:g}: expected a probability, 0 to 1")


def find(
    session: Session, image: Path, pixels: Tensor, objects: Mapping[str, tuple[Prompt, ...]], threshold: float
) -> Result:
    """What a new session answers to prompts, or all segments if there is no prompt.

    Raises:
        InputError: a prompt lies outside the image or says nothing positive.
    """
    for name, prompts in objects.items():
        session.add(*prompts, name=name)
    found: list[tuple[str | None, Prediction]] = [*session.predict_all().items()]
    if not objects:
        found = [(None, segment) for segment in session.panoptic(threshold=threshold)]
    return Result(image, pixels, session, objects, found)


def write(out: Path, result: Result) -> None:
    """The masks, the overlay and ``result.json``, made in a temporary folder inside `out` and moved when all are whole.

    Raises:
        InputError: the folder cannot be written.
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
    """Return the image with the masks and with what the prompts mark."""
    session, found = result.session, [prediction.mask for _, prediction in result.found]
    masks = torch.stack(found) if found else torch.zeros((0, *session.size), dtype=torch.bool)
    prompts = itertools.chain.from_iterable(result.prompts.values())
    return draw_prompts(overlay(result.pixels, masks), prompts, session.network.sampler)


def _line(name: str | None, prediction: Prediction) -> str:
    said = f"{prediction.label}  score {prediction.score:.3f}  {prediction.area} pixels"
    return f"{'' if name is None else f'{name}: '}{said if prediction.area else f'{prediction.label}: no pixel found'}"


def _earlier_masks(out: Path) -> list[Path]:
    """The masks that the folder's ``result.json`` names, if there is one; no other file is anybody's to remove."""
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
