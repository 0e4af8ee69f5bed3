"""``seemkit segment``: one image file to masks, an overlay and a JSON of results."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seemkit.data.images import read_image
from seemkit.data.prompts_file import named_prompts
from seemkit.drawing import dots, outlines, overlay, to_pil
from seemkit.errors import InputError
from seemkit.network import SEEM
from seemkit.prediction import Prediction
from seemkit.prompts.encoder import RegionPrompt
from seemkit.prompts.registry import prompt_to_json
from seemkit.prompts.values import Point, Prompt
from seemkit.session import Session


@dataclass(frozen=True)
class Request:
    """What is asked of an image.

    Attributes:
        words: ``"kind=value"`` for each prompt; all describe one object.
        file: a JSON file of the prompts of named objects, as `seemkit.data.prompts_file` reads it.
        classes: class names for labels; None takes the model's own.
        threshold: least class score of a segment when there is no prompt.
        seed: of the session.
    """

    words: Sequence[str] = ()
    file: Path | None = None
    classes: Sequence[str] | None = None
    threshold: float = 0.5
    seed: int = 0


def segment_file(image: Path, model: str, request: Request, out: Path, variant: str | None = None) -> list[str]:
    """One line for each mask found; masks, overlay and ``result.json`` are in `out`.

    Args:
        image: an image file.
        model: where the weights are, as `SEEM.from_pretrained` takes it.
        request: the prompts; without any, everything is segmented.
        out: the folder; what an earlier call left in it is replaced when everything is made.
        variant: which published model, for the official code's files.

    Raises:
        InputError: the image, a prompt or the model is bad.
    """
    if not 0 <= request.threshold <= 1:
        raise InputError(f"--threshold {request.threshold:g}: expected a probability, 0 to 1")
    pixels = read_image(image, upright=True)
    objects = named_prompts(request.words, request.file)
    network = SEEM.from_pretrained(model, variant)
    session = Session(network, pixels, request.seed, request.classes)
    for name, prompts in objects.items():
        session.add(*prompts, name=name)
    found = (
        list(session.predict_all().items())
        if objects
        else [(None, p) for p in session.panoptic(threshold=request.threshold)]
    )
    said = {name: [prompt_to_json(prompt) for prompt in prompts] for name, prompts in objects.items()}
    picture = _picture(session, pixels, objects, [p for _, p in found])
    _write(out, found, picture, {"image": str(image), "prompts": said})
    lines = [_line(name if len(objects) > 1 else None, prediction) for name, prediction in found]
    if not found:
        lines = [f"nothing found: no segment has a class score above {request.threshold:g} (--threshold)"]
    return [*lines, f"written to {out}"]


def _picture(
    session: Session, pixels: Tensor, objects: dict[str, tuple[Prompt, ...]], found: Sequence[Prediction]
) -> Tensor:
    """The image with the masks and with what the prompts mark."""
    masks = torch.stack([p.mask for p in found]) if found else torch.zeros((0, *session.size), dtype=torch.bool)
    prompts = [prompt for described in objects.values() for prompt in described]
    points = [(p.x, p.y, p.positive) for p in prompts if isinstance(p, Point)]
    regions = []
    for prompt in prompts:
        encoder = session.network.sampler.encoder(prompt)
        if isinstance(encoder, RegionPrompt) and not isinstance(prompt, Point):
            region = encoder.region(prompt, session.size)
            for marked, positive in ((region.positive, True), (region.negative, False)):
                mask = torch.zeros(tuple(session.size), dtype=torch.bool)
                mask[tuple(torch.from_numpy(marked).T)] = True
                regions.append((mask, positive))
    return dots(outlines(overlay(pixels, masks), regions), points)


def _write(out: Path, found: Sequence[tuple[str | None, Prediction]], picture: Tensor, head: dict[str, Any]) -> None:
    """All files, made in a temporary folder beside `out` and moved when they are whole."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".segment-") as folder:
            rows = []
            for index, (name, prediction) in enumerate(found):
                file = f"mask_{index:02d}.png"
                Image.fromarray(prediction.mask.numpy().astype(np.uint8) * 255).save(Path(folder) / file)
                rows.append({**({} if name is None else {"name": name}), **_record(file, prediction)})
            to_pil(picture).save(Path(folder) / "overlay.png")
            (Path(folder) / "result.json").write_text(json.dumps({**head, "objects": rows}, indent=2) + "\n")
            for stale in _earlier_masks(out):
                stale.unlink(missing_ok=True)
            for path in sorted(Path(folder).iterdir()):
                shutil.move(path, out / path.name)
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there: {error.strerror or error}") from error


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
