"""A folder with every file that the pages name."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from pathlib import Path

import torch
from PIL import Image

from seemkit.app.label_folder import Labeled, LabelFolder
from seemkit.checkpoints.catalog import SHIPPED
from seemkit.data.scenes import write_scenes
from seemkit.data.scenes.scene import make_scene
from seemkit.io.video import writing_video
from seemkit.types import Size
from tests.clips import moving
from tests.data.davis.folders import rectangles, write_davis_2017
from tests.data.interactive.folders import write_grabcut
from tests.data.prepare.conversion.foreign import shape, write_labelme
from tests.docs.pages import ROOT

PHOTOS = ("photo", "image", "dog", "park", "other")


def write_world(root: Path) -> None:
    """Write the folder."""
    _copy_configs(root / "configs")
    for number, name in enumerate(PHOTOS):
        Image.fromarray(make_scene(number, "test", 0, 384).image).save(root / f"{name}.jpg")
    (root / "photos").mkdir()
    shutil.copy(root / "photo.jpg", root / "photos/one.jpg")
    shutil.copy(root / "dog.jpg", root / "photos/two.jpg")
    _label(root / "photos")
    shutil.copytree(SHIPPED["scenes-tiny"].folder, root / "runs/seem_tiny")
    shutil.copytree(SHIPPED["scenes-tiny"].folder, root / "runs/finetune")
    write_scenes(root / "datasets/photos", {"train": 4, "val": 2, "test": 2}, seed=3, size=64)
    write_scenes(root / "scenes", {"train": 12}, seed=0)
    broken = root / "scenes/train/000007.png"
    broken.write_bytes(broken.read_bytes()[:1000])
    write_scenes(root / "mended", {"train": 12, "val": 2}, seed=0)
    for copy in ("FOLDER", "my_folder", "datasets/coco"):
        shutil.copytree(root / "datasets/photos", root / copy)
    write_grabcut(root / "datasets/GrabCut", "a.jpg")
    write_davis_2017(root / "datasets/DAVIS", {"dance": [rectangles(1, 2)] * 3})
    _write_shots(root / "shots")
    _write_clip(root / "clip.mp4")


def _label(folder: Path) -> None:
    """Label the images as a user of the page does."""
    labels = LabelFolder(folder)
    for name in labels.names:
        mask = torch.zeros(tuple(labels.size(name)), dtype=torch.bool)
        mask[40:160, 40:160] = True
        labels.write(name, [Labeled("cup", mask)])


def _copy_configs(folder: Path) -> None:
    """Copy the configurations, which save a checkpoint after every step, since only few are run."""
    shutil.copytree(ROOT / "configs", folder)
    for path in folder.rglob("*.yaml"):
        path.write_text(re.sub(r"every_n_train_steps: \d+", "every_n_train_steps: 1", path.read_text()))


def _write_shots(folder: Path) -> None:
    """Five photographs with the objects that a page lists."""
    counts = {"bottle": 1, "chair": 8, "diningtable": 3, "person": 7}
    shapes = [shape(name, [[5, 5], [30, 6], [20, 25]]) for name, count in counts.items() for _ in range(count)]
    for number in range(5):
        point = [shape("chair", [[5, 5]], "point")] if number == 0 else []
        write_labelme(folder / f"{number}.json", [*shapes, *point])


def _write_clip(path: Path) -> None:
    clip = moving(3, frames=8)
    with writing_video(path, Fraction(24), Size(*clip.frames[0].shape[-2:])) as append:
        for frame in clip.frames:
            append(frame)
