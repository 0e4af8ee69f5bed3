"""Measure what a model finds in photographs of a folder: by class names, by one click, and without a prompt.

    python benchmarks/own_data.py --model runs/finetune --root FOLDER [--split val] [--least 20] [--click person]
        [--within person] [--pictures OUT.png]

A class name is asked for as a text in every image that has exactly one object of the class, and its IoU with that
object is averaged, for the classes with at least `--least` such images. `--click` names the class of the objects that
are clicked once, on their most interior pixel. The semantic map is judged at pixels with an annotation; where masks
overlap, the later one wins. `--within` names a class whose parts have classes of their own: the map has the other
classes, inside the mask that the class's name as a text gives. Outside of it is background, and a second figure judges
all pixels of the image, those without an annotation as background.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seemkit import SEEM, Session, Text
from seemkit.data.coco.instances import CocoInstances
from seemkit.inference.drawing import captioned_grid, captions, overlay
from seemkit.interactive.clicker import center_click
from seemkit.types import Target, Vocabulary

PAPER = 235
"""Gray level of the ground on which `--pictures` draws, instead of the photograph."""


class Measured:
    """The figures so far.

    Args:
        network: the model.
        vocabulary: classes of the folder.
        clicked: class whose objects are clicked.
        whole: class inside which the semantic map is, if there is one.
    """

    def __init__(self, network: SEEM, vocabulary: Vocabulary, clicked: str | None, whole: str | None) -> None:
        self.network, self.vocabulary, self.clicked, self.whole = network, vocabulary, clicked, whole
        self.kept = [label for label, name in enumerate(vocabulary.names) if name != whole]
        self.classes = Vocabulary(tuple(vocabulary.names[label] for label in self.kept), (True,) * len(self.kept))
        self.texts: dict[str, list[float]] = defaultdict(list)
        self.clicks: list[float] = []
        self.annotated: list[tuple[int, int]] = []
        self.everywhere: list[tuple[int, int]] = []

    def add(self, image: Tensor, target: Target) -> list[tuple[Tensor, str, float]]:
        """Measure one image; return mask, class name and IoU of everything that was asked for by a text."""
        session = Session(self.network, image, classes=self.vocabulary)
        labels = target.labels.tolist()
        found = []
        for row, label in enumerate(labels):
            name = self.vocabulary.names[label]
            if labels.count(label) == 1:
                mask = session.predict(Text(name)).mask
                self.texts[name].append(iou(mask, target.masks[row]))
                found.append((mask, name, self.texts[name][-1]))
            if name == self.clicked:
                self.clicks.append(iou(session.predict(center_click(target.masks[row])).mask, target.masks[row]))
        truth = torch.full(tuple(target.size), -1)
        for mask, label in zip(target.masks, labels, strict=True):
            if label in self.kept:
                truth[mask] = self.kept.index(label)
        semantic = session.semantic(self.classes)
        right = semantic == truth
        self.annotated.append((int(right.sum()), int((truth >= 0).sum())))
        if self.whole is not None:
            semantic = semantic.where(session.predict(Text(self.whole)).mask, -1)
            self.everywhere.append((int((semantic == truth).sum()), truth.numel()))
        return found


def iou(found: Tensor, truth: Tensor) -> float:
    """Return the intersection over union of two boolean masks."""
    return int((found & truth).sum()) / max(1, int((found | truth).sum()))


def picture(size: tuple[int, int], masks: list[tuple[Tensor, str]]) -> Tensor:
    """Return masks with their names on paper, uint8 [3, H, W]."""
    paper = torch.full((3, *size), PAPER, dtype=torch.uint8)
    if not masks:
        return paper
    return captions(overlay(paper, torch.stack([mask for mask, _ in masks])), masks)


def main() -> None:
    """Print the figures, and draw the masks of some images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="runs/finetune", help="model, as for SEEM.from_pretrained")
    parser.add_argument("--root", required=True, help="folder in COCO's instances layout")
    parser.add_argument("--split", default="val")
    parser.add_argument("--least", type=int, default=20, help="images that a class needs to be listed")
    parser.add_argument("--click", help="class whose objects are clicked once")
    parser.add_argument("--within", help="class inside which the semantic map of the other classes is")
    parser.add_argument("--images", type=int, help="number of images (default: all)")
    parser.add_argument("--pictures", type=Path, help="file for a picture of true and found masks of a few images")
    options = parser.parse_args()
    data = CocoInstances(options.root, options.split, skip_empty=True)
    network = SEEM.from_pretrained(options.model)
    measured = Measured(network, data.vocabulary, options.click, options.within)
    rows = []
    for index in range(len(data) if options.images is None else options.images):
        image, target = data[index]
        found = measured.add(image, target)
        if len(rows) < 4 and index % 20 == 5:
            names = [data.vocabulary.names[label] for label in target.labels.tolist()]
            shown = [(mask, name) for mask, name in zip(target.masks, names, strict=True) if name != options.within]
            asked = [(mask, f"{name} {value:.2f}") for mask, name, value in found if name != options.within]
            size = tuple(target.size)
            rows.append([(picture(size, shown), "annotated"), (picture(size, asked), "asked for by name, with IoU")])
    listed = {name: values for name, values in measured.texts.items() if len(values) >= options.least}
    for name, values in sorted(listed.items(), key=lambda item: -float(np.mean(item[1]))):
        print(f"text {name:16}IoU {np.mean(values):.3f}  {len(values)} images")
    print(f"texts, mean over {len(listed)} classes  {np.mean([np.mean(values) for values in listed.values()]):.3f}")
    if measured.clicks:
        print(f"one click on {options.click}  IoU {np.mean(measured.clicks):.3f}  {len(measured.clicks)} objects")
    for where, counts in (("annotated pixels", measured.annotated), ("whole images", measured.everywhere)):
        if counts:
            right, judged = map(sum, zip(*counts, strict=True))
            print(f"semantic map, pixel accuracy on {where}  {right / max(1, judged):.3f}")
    if options.pictures:
        captioned_grid(rows, 220).save(options.pictures, optimize=True)


if __name__ == "__main__":
    main()
