"""``seemkit segment``: one image file to masks, an overlay and a JSON of results."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torch import Tensor

from seemkit.data.images import read_image
from seemkit.drawing import dots, overlay, to_pil
from seemkit.errors import InputError
from seemkit.inference.panoptic import panoptic_map
from seemkit.inference.resize import restore
from seemkit.network import SEEM
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Point, Prompt
from seemkit.session import Session
from seemkit.types import Prediction, Vocabulary


def segment_file(
    image: Path,
    model: str,
    prompts: Sequence[str],
    classes: Sequence[str] | None,
    threshold: float,
    out: Path,
    variant: str | None = None,
) -> list[str]:
    """One line for each mask found; masks, overlay and ``result.json`` are in `out`.

    Args:
        image: an image file.
        model: where the weights are, as `SEEM.from_pretrained` takes it.
        prompts: ``"kind=value"`` for each prompt; all describe one object. None: everything is segmented.
        classes: class names for labels; None takes the model's own.
        threshold: least class score of a segment when there is no prompt.
        out: the folder; files of the same names are replaced, all together.
        variant: which published model, for the official code's files.

    Raises:
        InputError: the image, a prompt or the model is bad.
    """
    pixels = read_image(image, upright=True)
    values = [_parse(prompt) for prompt in prompts]
    network = SEEM.from_pretrained(model, variant)
    vocabulary = _vocabulary(network, classes)
    session = Session(network, pixels, vocabulary)
    found = [session.add(*values).predict()] if values else everything(session, vocabulary, threshold)
    _write(out, image, pixels, values, found)
    return [f"{p.label}  score {p.score:.3f}  {int(p.mask.sum())} pixels" for p in found] + [f"written to {out}"]


@torch.inference_mode()
def everything(session: Session, vocabulary: Vocabulary | None, threshold: float) -> list[Prediction]:
    """All segments of the image, largest first.

    Raises:
        InputError: there are no class names.
    """
    if vocabulary is None:
        raise InputError("--classes: the model has no class names of its own; name some, for example --classes cat,dog")
    network, context = session.network, session.context
    probabilities, masks = network.panoptic_inputs(context, network.embed_vocabulary(vocabulary))
    full = restore(masks[0], context.padded, context.sizes[0], session.size)
    panoptic = panoptic_map(probabilities[0], full, vocabulary.things, threshold)
    found = [Prediction((panoptic.ids == s.id).cpu(), vocabulary.names[s.label], s.score) for s in panoptic.segments]
    return sorted(found, key=lambda prediction: -int(prediction.mask.sum()))


def _parse(prompt: str) -> Prompt:
    kind, separator, value = prompt.partition("=")
    if not separator:
        raise InputError(f"--prompt {prompt!r}: expected KIND=VALUE, for example point=120,80")
    registry = installed()
    return registry[kind].encoder(1).parse(value)


def _vocabulary(network: SEEM, classes: Sequence[str] | None) -> Vocabulary | None:
    if classes is None:
        return network.vocabulary
    names = tuple(name.strip() for name in classes)
    if not all(names):
        raise InputError("--classes: an empty name; separate names by single commas")
    return Vocabulary(names, (True,) * len(names))


def _write(out: Path, image: Path, pixels: Tensor, prompts: Sequence[Prompt], found: Sequence[Prediction]) -> None:
    """All files, made in a temporary folder beside `out` and moved when they are whole."""
    masks = torch.stack([p.mask for p in found]) if found else torch.zeros((0, *pixels.shape[1:]), dtype=torch.bool)
    points = [(p.x, p.y, p.positive) for p in prompts if isinstance(p, Point)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".segment-") as folder:
            names = [f"mask_{index:02d}.png" for index in range(len(found))]
            for name, mask in zip(names, masks, strict=True):
                Image.fromarray(mask.numpy().astype(np.uint8) * 255).save(Path(folder) / name)
            to_pil(dots(overlay(pixels, masks), points)).save(Path(folder) / "overlay.png")
            rows = [_record(name, p) for name, p in zip(names, found, strict=True)]
            text = json.dumps({"image": str(image), "objects": rows}, indent=2)
            (Path(folder) / "result.json").write_text(text + "\n")
            for path in sorted(Path(folder).iterdir()):
                shutil.move(path, out / path.name)
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there: {error.strerror or error}") from error


def _record(name: str, prediction: Prediction) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(prediction.mask.numpy().astype(np.uint8)))
    return {
        "label": prediction.label,
        "score": round(prediction.score, 6),
        "area": int(prediction.mask.sum()),
        "bbox": [float(v) for v in coco_mask.toBbox(encoded)],
        "segmentation": {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")},
        "mask": name,
    }
