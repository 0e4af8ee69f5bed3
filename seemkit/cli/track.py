"""``seemkit track``: follow objects through a video; write one map of object ids for each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from seemkit.cli.model import Load
from seemkit.cli.out_folder import writing
from seemkit.cli.prompts_file import named_prompts
from seemkit.errors import InputError
from seemkit.inference.drawing import color, overlay
from seemkit.inference.tracker import Tracker
from seemkit.io.atomic import replacing
from seemkit.io.frames import Frame, Frames
from seemkit.io.video import writing_video
from seemkit.nn.context import ImageContext
from seemkit.postprocess.object_ids import object_ids, object_masks
from seemkit.prompts.values import Prompt
from seemkit.types import Size

MOST_OBJECTS = 254
"""Largest number of objects: in files of DAVIS, 0 is the background and 255 is void."""
PALETTE = [0, 0, 0, *chain.from_iterable(color(index) for index in range(255))]


@dataclass(frozen=True)
class TrackOptions:
    """Options of `seemkit track`.

    Attributes:
        words: ``"kind=value"`` for each prompt; all of them describe one object.
        file: JSON file with the prompts of named objects, see `seemkit.cli.prompts_file`.
        at: number of the frame with the prompts, from 0.
        overlay: whether to write a video with the masks drawn in.
    """

    words: Sequence[str] = ()
    file: Path | None = None
    at: int = 0
    overlay: bool = False


def track_video(
    source: Path, load: Load, options: TrackOptions, out: Path, progress: Callable[[str], None]
) -> list[str]:
    """Follow objects through a video; return one line for each object, and the folder of results.

    A pixel of the palette image ``OUT/VIDEO/FRAME.png`` is the number of an object, or 0, as DAVIS' tools read it. With
    an overlay, ``OUT/VIDEO.mp4`` starts at the frame with the prompts. Every file in `out` is complete. Memory holds
    only one frame at a time.

    Args:
        source: folder of frames or video file; its name is the name of the video.
        load: returns the network; called after source and prompts are checked.
        options: prompts and settings.
        out: output folder.
        progress: called with a line that names the current frame.

    Raises:
        InputError: a frame, a prompt, an option or the model is invalid, `out` already has results of this video, or it
            cannot be written. If a prompt is invalid, nothing is written. If a later frame is invalid, the maps of the
            frames before it are kept.
    """
    objects = named_prompts(options.words, options.file)
    frames = Frames(source)
    folder = out / frames.name
    film = out / f"{frames.name}.mp4" if options.overlay else None
    _check(objects, options.at, [path for path in (folder, film) if path is not None])
    tracker, stream = Tracker(load(objects)), iter(frames)
    before, first = _begin(tracker, stream, objects, options.at)
    with writing(out), _drawing(film, frames.rate, Size(*first.pixels.shape[1:])) as draw:
        folder.mkdir(parents=True, exist_ok=True)
        for name in before:
            _save(folder / f"{name}.png", torch.zeros(first.pixels.shape[1:], dtype=torch.uint8))
        shown = torch.zeros(len(objects), dtype=torch.int64)
        for frame, ids in _follow(tracker, first, stream):
            masks = object_masks(ids, len(objects))
            _save(folder / f"{frame.name}.png", ids)
            draw(frame.pixels, masks)
            shown += masks.flatten(1).any(dim=1)
            progress(f"{source}: frame {frame.name}")
    return [*_lines(objects, shown), f"written to {folder}"]


def _check(objects: Mapping[str, Sequence[Prompt]], at: int, made: Sequence[Path]) -> None:
    if not objects:
        raise InputError("track: no prompt; say what to follow with --point, --box, --text, --prompt or --prompts")
    if len(objects) > MOST_OBJECTS:
        raise InputError(f"track: {len(objects)} objects, but a map holds at most {MOST_OBJECTS}; follow them in parts")
    if at < 0:
        raise InputError(f"--at {at}: expected a frame number, 0 or more")
    for path in made:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path}: exists already; remove it or choose another --out")


def _begin(
    tracker: Tracker, stream: Iterator[Frame], objects: Mapping[str, Sequence[Prompt]], at: int
) -> tuple[list[str], Frame]:
    """Add the objects in frame number `at`; return the names of the frames before it, and that frame."""
    before = [frame.name for frame in islice(stream, at)]
    first = next(stream, None)
    if first is None:
        raise InputError(f"--at {at}: the video has {len(before)} frames; their numbers start at 0")
    tracker.add(_encode(tracker, first), list(objects.values()), first.pixels)
    return before, first


@torch.inference_mode()
def _encode(tracker: Tracker, frame: Frame) -> ImageContext:
    return tracker.network.encode_image([frame.pixels])


def _follow(tracker: Tracker, first: Frame, rest: Iterator[Frame]) -> Iterator[tuple[Frame, Int[Tensor, "H W"]]]:
    """Yield the frame with the prompts and each frame after it, with their maps of object ids."""
    yield first, object_ids(tracker.masks).cpu()
    for frame in rest:
        yield frame, object_ids(tracker.step(_encode(tracker, frame), frame.pixels)).cpu()


def _lines(objects: Mapping[str, Sequence[Prompt]], shown: Int[Tensor, " N"]) -> list[str]:
    found = zip(objects, shown.tolist(), strict=True)
    return [f"{number} {name}: found in {times} frames" for number, (name, times) in enumerate(found, start=1)]


@contextmanager
def _drawing(path: Path | None, rate: Fraction, size: Size) -> Iterator[Callable[[Tensor, Tensor], None]]:
    """Yield a function that appends a frame with its masks to the video; without a path, it does nothing."""
    if path is None:
        yield lambda *_: None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, writing_video(temporary, rate, size) as append:
        yield lambda pixels, masks: append(overlay(pixels, masks))


def _save(path: Path, ids: Int[Tensor, "H W"]) -> None:
    picture = Image.fromarray(ids.numpy().astype(np.uint8))
    picture.putpalette(PALETTE)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")
