"""Compare the masks of a trained model in bfloat16 with those in float32, and find which part causes the difference.

    python benchmarks/half_precision.py [--model scenes-tiny] [--images FOLDER] [--ways all backbone ...] [--no-zoom]

Without `--images`, 24 scenes of 128 x 128 pixels are drawn. Each image gets a click in the middle of each segment that
the model finds in float32, the label of each as a text, and a panoptic map; a model that only answers clicks gets nine
clicks on a grid. Printed are mean and median of the IoU of both masks, and how many are below 0.9. A way names the
parts that are in bfloat16; the others are in float32. `--no-zoom` never zooms in on an object.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seemkit.data.scenes.writer import write_scenes
from seemkit.inference.session import Session
from seemkit.interactive.clicker import center_click
from seemkit.io.image import image_files
from seemkit.model.seem import SEEM
from seemkit.prompts.values import Point, Prompt, Text

WAYS = {
    "all": None,
    "backbone": ("backbone",),
    "pixel decoder": ("pixel_decoder",),
    "backbone and pixel decoder": ("backbone", "pixel_decoder"),
}
"""The parts that are in bfloat16; None for the whole network."""
SCENES, SIDE, GRID = 24, 128, 3
Masks = dict[str, list[Tensor]]


def cast(value: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """Return tensors of floating-point numbers in another type, wherever they are in a structure."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(cast(part, dtype) for part in value))
    return type(value)(cast(part, dtype) for part in value) if isinstance(value, (list, tuple)) else value


def network_of(model: str, way: str) -> SEEM:
    """Return the network with the parts of a way in bfloat16."""
    network, parts = SEEM.from_pretrained(model), WAYS[way]
    if parts is None:
        return network.bfloat16()
    for name in parts:
        part = getattr(network, name).bfloat16()
        part.register_forward_pre_hook(lambda _, given: cast(given, torch.bfloat16))
        part.register_forward_hook(lambda *called: cast(called[-1], torch.float32))
    return network


def prompts_of(session: Session) -> list[Prompt]:
    """Return the prompts of an image."""
    if "automatic" not in session.network.architecture.answers:
        height, width = session.size
        places = [(index + 0.5) / GRID for index in range(GRID)]
        return [Point(x * width, y * height) for y in places for x in places]
    found = session.panoptic()
    return [center_click(one.mask) for one in found if one.mask.any()] + [Text(one.label) for one in found]


def masks_of(session: Session, prompts: Sequence[Prompt]) -> Masks:
    """Return the masks of the prompts, and of all segments."""
    masks: Masks = {"click": [], "text": [], "panoptic": []}
    for prompt in prompts:
        masks["text" if isinstance(prompt, Text) else "click"].append(session.predict(prompt).mask)
    if "automatic" in session.network.architecture.answers:
        masks["panoptic"] = [one.mask for one in session.panoptic()]
    return masks


def overlaps(wanted: Masks, found: Masks) -> Iterator[tuple[str, float]]:
    """Yield the IoU of each mask; a segment is compared with the one that fits best."""
    for kind in ("click", "text"):
        for one, other in zip(wanted[kind], found[kind], strict=True):
            yield kind, iou(one, other)
    for one in wanted["panoptic"]:
        yield "panoptic", max((iou(one, other) for other in found["panoptic"]), default=0.0)


def iou(one: Tensor, other: Tensor) -> float:
    """Return the IoU of two masks, 1 for two empty ones."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0


def measure(model: str, images: Path, ways: Sequence[str], *, zoom: bool) -> None:
    """Print the figures of each way."""
    full, files = SEEM.from_pretrained(model), image_files(images)
    given, wanted = [], []
    for file in files:
        session = Session(full, file, zoom=zoom)
        given.append(prompts_of(session))
        wanted.append(masks_of(session, given[-1]))
    for way in ways:
        network, found = network_of(model, way), []
        for file, prompts, masks in zip(files, given, wanted, strict=True):
            found += overlaps(masks, masks_of(Session(network, file, zoom=zoom), prompts))
        for kind in ("click", "text", "panoptic"):
            values = [value for name, value in found if name == kind]
            if values:
                low, mean, middle = sum(v < 0.9 for v in values), statistics.mean(values), statistics.median(values)
                print(
                    f"{way}: {kind}: mean {mean:.3f}, median {middle:.3f}, {low} of {len(values)} below 0.9", flush=True
                )


def main() -> None:
    """Measure all ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scenes-tiny")
    parser.add_argument("--images", type=Path, help="folder of images")
    parser.add_argument("--ways", nargs="+", default=[*WAYS], choices=[*WAYS])
    parser.add_argument("--zoom", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.images is None:
            write_scenes(Path(folder), {"test": SCENES}, seed=0, size=SIDE)
        measure(options.model, options.images or Path(folder) / "test", options.ways, zoom=options.zoom)


if __name__ == "__main__":
    main()
