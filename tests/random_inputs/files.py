"""Real files of every format that seemkit reads, each with the door through which it is read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image

from seemkit.cli.prompts_file import read_prompts
from seemkit.data.davis.dataset import DavisFrames
from seemkit.data.interactive.images import InteractiveImages
from seemkit.data.interactive.sbd import SBD
from seemkit.data.interactive.single_object import GRABCUT
from seemkit.data.interactive.voc import VOC
from seemkit.data.prepare.check import check
from seemkit.data.prepare.conversion.convert import convert
from seemkit.data.prepare.shard import shard
from seemkit.data.refcoco.dataset import RefCoco
from seemkit.io.frames import Frames
from seemkit.io.image import read_image
from seemkit.io.tensor_file import read_tensors
from seemkit.io.video import writing_video
from seemkit.model.seem import SEEM
from seemkit.prompts.values import Mask
from seemkit.types import Size
from tests.builders import write_coco
from tests.data.davis.folders import rectangles, write_davis_2016, write_davis_2017
from tests.data.interactive.folders import write_grabcut, write_sbd, write_voc_val
from tests.data.prepare.conversion.foreign import shape, write_labelme, write_yolo
from tests.networks import TINY, build, picture
from tests.objects import annotation, instances, rectangle, ref
from tests.objects import write_image as write_small_image

Door = Callable[[Path], object]
IMAGES = ("png", "jpg", "bmp", "gif", "webp", "tiff")


class Format(NamedTuple):
    """A folder of real files, and what reads all of them."""

    write: Door
    read: Door


def _every(samples: Iterable[object]) -> None:
    for _ in samples:
        pass


def _dataset(dataset: object) -> None:
    for index in range(len(dataset)):  # type: ignore[arg-type]
        dataset[index]  # type: ignore[index]


def _write_instances(root: Path) -> None:
    names = ["a.png", "b.png"]
    for name in names:
        write_small_image(root / "train" / name)
    shapes = [rectangle(0, 0, 10, 10)], {"size": [40, 48], "counts": [100, 20, 1800]}, [rectangle(3, 3, 20, 20)]
    found = [annotation(number, 100 + number % 2, form) for number, form in enumerate(shapes, start=1)]
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations/instances_train.json").write_text(json.dumps(instances(names, found)))


def _write_shards(root: Path) -> None:
    shard(write_coco(root.parent / f"{root.name}-source", {"train": 3}), root, [], 2)


def _write_refcoco(root: Path) -> None:
    names = [f"COCO_train2014_{100 + index:012d}.jpg" for index in range(2)]
    for name in names:
        write_small_image(root / "images/mscoco/images/train2014" / name)
    (root / "refcoco").mkdir()
    found = [annotation(number, 99 + number, [rectangle(0, 0, 10, 10)]) for number in (1, 2)]
    (root / "refcoco/instances.json").write_text(json.dumps(instances(names, found)))
    told = [ref(100, 1, "val", "the star"), ref(101, 2, "val", "another")]
    (root / "refcoco/refs(unc).p").write_bytes(pickle.dumps(told, protocol=2))


def _write_labelme(root: Path) -> None:
    corners = [[5, 5], [30, 6], [20, 25]]
    for name in ("a", "b"):
        write_labelme(root / f"{name}.json", [shape("star", corners), shape("box", [[1, 1], [9, 9]], "rectangle")])


def _write_images(root: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    for kind in IMAGES:
        Image.fromarray(pixels).save(root / f"image.{kind}")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(root / "deep.png")
    Image.fromarray(pixels).save(root / "turned.jpg", exif=_turned())


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif


def _write_masks(root: Path) -> None:
    Image.fromarray((np.arange(1920).reshape(40, 48) % 7 == 0).astype(np.uint8) * 255).save(root / "mask.png")


def _write_prompts(root: Path) -> None:
    said = {
        "a": [{"kind": "point", "x": 3, "y": 4}, {"kind": "text", "text": "star"}],
        "b": [
            {"kind": "box", "x0": 1, "y0": 2, "x1": 30, "y1": 20},
            {"kind": "polygon", "points": [[1, 1], [9, 1], [5, 9]]},
        ],
        "c": [{"kind": "scribble", "points": [[1, 1], [9, 9]]}, {"kind": "circle", "points": [[9, 9]], "radius": 5}],
    }
    (root / "prompts.json").write_text(json.dumps({"prompts": said}))


def _write_video(root: Path) -> None:
    with writing_video(root / "clip.mp4", Fraction(24), Size(48, 64)) as append:
        for seed in range(3):
            append(picture(48, 64, seed))


def _write_frames(root: Path) -> None:
    for index in range(3):
        write_small_image(root / f"{index}.png")


def _write_model(root: Path) -> None:
    build(TINY).save(root)


def _write_checkpoint(root: Path) -> None:
    torch.save({"model_state_dict": {"a.weight": torch.ones(3, 4), "b": torch.zeros(2)}}, root / "weights.pt")


def _frame_names(root: Path) -> None:
    _every(Frames(root))


def _converted(kind: str) -> Door:
    def read(root: Path) -> None:
        convert(kind, root, root.parent / f"{root.name}-converted", 0.5, 0, None)

    return read


def _voc(root: Path) -> None:
    _dataset(InteractiveImages(root, VOC))
    _converted("voc")(root)


def _each(root: Path, pattern: str, read: Door) -> None:
    for path in sorted(root.glob(pattern)):
        read(path)


MOVING = {"dance": [rectangles(1, 2)] * 3}
FORMATS: dict[str, Format] = {
    "coco panoptic": Format(lambda root: write_coco(root, {"train": 3}), check),
    "coco instances": Format(_write_instances, check),
    "shards": Format(_write_shards, check),
    "refcoco": Format(_write_refcoco, lambda root: _dataset(RefCoco(root, split="val"))),
    "labelme": Format(_write_labelme, _converted("labelme")),
    "yolo": Format(
        lambda root: write_yolo(root, {"train/a.png": "1 .1 .1 .5 .1 .5 .5\n", "val/b.png": "0 .2 .2 .9 .2 .4 .8\n"}),
        _converted("yolo"),
    ),
    "voc": Format(write_voc_val, _voc),
    "sbd": Format(lambda root: write_sbd(root, "a", "b"), lambda root: _dataset(InteractiveImages(root, SBD))),
    "grabcut": Format(
        lambda root: write_grabcut(root, "a.jpg"), lambda root: _dataset(InteractiveImages(root, GRABCUT))
    ),
    "davis 2017": Format(lambda root: write_davis_2017(root, MOVING), lambda root: _dataset(DavisFrames(root))),
    "davis 2016": Format(
        lambda root: write_davis_2016(root, {"dance": [rectangles(255)] * 3}),
        lambda root: _dataset(DavisFrames(root, year=2016)),
    ),
    "images": Format(_write_images, lambda root: _each(root, "*.*", lambda path: read_image(path, upright=True))),
    "masks": Format(_write_masks, lambda root: Mask.read(root / "mask.png")),
    "prompts": Format(_write_prompts, lambda root: read_prompts(root / "prompts.json")),
    "video": Format(_write_video, lambda root: _frame_names(root / "clip.mp4")),
    "frames": Format(_write_frames, _frame_names),
    "model": Format(_write_model, SEEM.from_pretrained),
    "checkpoint": Format(_write_checkpoint, lambda root: read_tensors(root / "weights.pt")),
}
"""Every format by its name."""
