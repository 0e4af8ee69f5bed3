"""Draw the outlines of the objects of a folder on which a model does worst, without the photographs.

    python benchmarks/worst_objects.py --model photos-tiny --root FOLDER [--split val] [--clicks 3] --out OUT.png

The folder has COCO's instances layout. The simulated user is that of the evaluation. Green is the object, red what the
model found after the last click.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from seemkit import SEEM, Session
from seemkit.data.coco.instances import CocoInstances
from seemkit.ops.outline import parts

COLUMNS, ROWS, SIDE = 4, 3, 200
PAPER, TRUTH, FOUND = (244, 244, 244), (0, 140, 60), (210, 40, 40)


class Case(NamedTuple):
    """An object, and what was found."""

    iou: float
    truth: Tensor
    found: Tensor


def measure(network: SEEM, data: CocoInstances, clicks: int) -> list[Case]:
    """Return every object with the mask after the last click, the worst first."""
    cases = []
    for place in range(len(data)):
        image, target = data[place]
        session = Session(network, image)
        for truth in target.masks:
            *_, (last, _) = session.simulate(truth, clicks)
            iou = float((last.mask & truth).sum() / (last.mask | truth).sum())
            cases.append(Case(iou, truth, last.mask))
    return sorted(cases, key=lambda case: case.iou)


def draw(case: Case) -> Image.Image:
    """Return the outlines of an object and of what was found, with the IoU below."""
    height, width = case.truth.shape
    scale = SIDE / max(height, width)
    picture = Image.new("RGB", (SIDE + 10, SIDE * 3 // 4 + 20), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, width * scale, height * scale), PAPER)
    for mask, color in ((case.truth, TRUTH), (case.found, FOUND)):
        for ring in (ring for part in parts(mask) for ring in (part.outer, *part.holes)):
            line = [(float(x) * scale, float(y) * scale) for x, y in ring]
            pen.line([*line, line[0]], color, 2)
    pen.text((0, picture.height - 14), f"IoU {case.iou:.2f}", "black")
    return picture


def main() -> None:
    """Write the picture, and print the mean IoU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="photos-tiny")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--clicks", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    data = CocoInstances(options.root, options.split)
    with torch.inference_mode():
        cases = measure(SEEM.from_pretrained(options.model), data, options.clicks)
    print(f"{len(cases)} objects, mean IoU after {options.clicks} clicks {sum(c.iou for c in cases) / len(cases):.3f}")
    pictures = [draw(case) for case in cases[: COLUMNS * ROWS]]
    wide, high = pictures[0].size
    sheet = Image.new("RGB", (COLUMNS * wide, ROWS * high), "white")
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % COLUMNS * wide, place // COLUMNS * high))
    sheet.quantize(32).save(options.out, optimize=True)


if __name__ == "__main__":
    main()
