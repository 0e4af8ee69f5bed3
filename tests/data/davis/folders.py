"""A small folder in the layout of DAVIS that tests write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 36, 50
PALETTE = [channel for value in range(256) for channel in (value, 255 - value, 128)]
"""A color for each of the 256 values; Pillow writes the values of a shorter palette with fewer bits."""
IMAGES, ANNOTATIONS = "JPEGImages/480p", "Annotations/480p"


def rectangles(*ids: int) -> np.ndarray:
    """Values [H, W] with one column of the image for each id; 0 leaves the column free."""
    values = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for place, value in enumerate(ids):
        values[4:9, 10 * place : 10 * place + 6] = value
    return values


def write_sequence(root: Path, name: str, frames: Sequence[np.ndarray], *, palette: bool = True) -> None:
    """Frames 00000.jpg and on, each of one gray, and their annotations, with a palette or as gray levels."""
    for folder in (IMAGES, ANNOTATIONS):
        (root / folder / name).mkdir(parents=True)
    for index, values in enumerate(frames):
        Image.new("RGB", (WIDTH, HEIGHT), (index * 20,) * 3).save(root / IMAGES / name / f"{index:05d}.jpg")
        annotation = Image.fromarray(values)
        if palette:
            annotation.putpalette(PALETTE)
        annotation.save(root / ANNOTATIONS / name / f"{index:05d}.png")


def write_davis_2017(root: Path, sequences: Mapping[str, Sequence[np.ndarray]]) -> Path:
    """The folder as the release of 2017 has it; its split "val" holds the sequences in their order, for either year."""
    for name, frames in sequences.items():
        write_sequence(root, name, frames)
    for year in ("2016", "2017"):
        (root / "ImageSets" / year).mkdir(parents=True)
        (root / "ImageSets" / year / "val.txt").write_text("\n".join(sequences) + "\n")
    return root


def write_davis_2016(root: Path, sequences: Mapping[str, Sequence[np.ndarray]]) -> Path:
    """The folder as the release of 2016 has it: masks of 0 and 255, and a split "val" that lists every frame."""
    lines = []
    for name, frames in sequences.items():
        write_sequence(root, name, frames, palette=False)
        lines += [f"/{IMAGES}/{name}/{i:05d}.jpg /{ANNOTATIONS}/{name}/{i:05d}.png " for i in range(len(frames))]
    (root / "ImageSets/480p").mkdir(parents=True)
    (root / "ImageSets/480p/val.txt").write_text("\n".join(lines) + "\n")
    return root
