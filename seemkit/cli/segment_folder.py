"""``seemkit segment FOLDER``: read ahead and write in the background while the network computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from seemkit.cli.model import Load
from seemkit.cli.out_folder import writing
from seemkit.cli.prompts_file import named_prompts
from seemkit.cli.results import Result
from seemkit.cli.segment import SegmentOptions, check, find
from seemkit.errors import InputError
from seemkit.formats.output import MASKS, Output
from seemkit.inference.session import Session
from seemkit.io.image import image_files
from seemkit.io.user_image import load_image


class LoadedImage(NamedTuple):
    """An image file and its pixels, uint8 [3, H, W]."""

    path: Path
    pixels: Tensor


def segment_folder(
    folder: Path,
    load: Load,
    options: SegmentOptions,
    out: Path,
    batch: int,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[list[str], int]:
    """Segment all images of a folder; return the lines of a summary and the number of skipped images.

    The masks of ``NAME.jpg`` are written to ``OUT/NAME``, other formats to one place for all images. An image that
    cannot be read, that a prompt does not fit, or whose results do not fit a format is skipped and named at the end.

    Args:
        folder: folder of image files; its subfolders are not read.
        load: returns the network for the prompts; called after these are read.
        options: prompts and settings for every image.
        out: output folder.
        batch: largest number of consecutive images of the same size to encode together, at least 1.
        progress: called with a line that names the current image.

    Raises:
        InputError: the folder has no image or two images of the same name, an option, a prompt or the model is invalid,
            or `out` cannot be written.
    """
    check(options)
    if batch < 1:
        raise InputError(f"--batch {batch}: expected at least 1")
    paths, objects = image_files(folder), named_prompts(options.words, options.file)
    network = load(objects)
    bad: list[str] = []
    masks = 0
    with writing(out), _helper() as reader, _helper() as writer:
        output = Output(out, options.formats)
        written: deque[Future[int]] = deque()
        for group in _of_one_size(_read_ahead(paths, reader, 2 * batch, bad), batch):
            with torch.inference_mode():
                context = network.encode_image([picture.pixels for picture in group])
            for index, (path, pixels) in enumerate(group):
                progress(f"{folder}: {path.name}")
                session = Session.of(network, context.repeat(index, 1), options.seed, options.classes, pixels)
                try:
                    result = find(session, path, pixels, objects, options)
                except InputError as error:
                    bad.append(f"{path}: {error}")
                    continue
                written.append(writer.submit(_write, output, result, MASKS in options.formats))
            while len(written) > 2 * batch:
                masks += _count(written.popleft(), bad)
        masks += sum(_count(last, bad) for last in written)
        output.finish()
    done = f"{len(paths) - len(bad)} of {len(paths)} images, {masks} masks, written to {out}"
    return [*(f"skipped: {line}" for line in bad), done], len(bad)


def _write(output: Output, result: Result, draw: bool) -> int:
    return output.add(result.segmented(draw), result.image.stem)


def _count(written: Future[int], bad: list[str]) -> int:
    """Return the number of results that were written; append the error of results that do not fit a format to `bad`."""
    try:
        return written.result()
    except InputError as error:
        bad.append(str(error))
        return 0


def _helper() -> ThreadPoolExecutor:
    """Return an executor with one thread and no further torch threads, which would busy-wait and slow the network."""
    return ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))


def _read_ahead(paths: Sequence[Path], reader: ThreadPoolExecutor, ahead: int, bad: list[str]) -> Iterator[LoadedImage]:
    """Yield the images in order, with `ahead` of them read in advance; append errors of unreadable ones to `bad`."""
    waiting: deque[tuple[Path, Future[Tensor]]] = deque()
    rest = iter(paths)
    while True:
        while len(waiting) < ahead and (path := next(rest, None)) is not None:
            waiting.append((path, reader.submit(load_image, path)))
        if not waiting:
            return
        path, pixels = waiting.popleft()
        try:
            yield LoadedImage(path, pixels.result())
        except InputError as error:
            bad.append(str(error))


def _of_one_size(pictures: Iterator[LoadedImage], batch: int) -> Iterator[list[LoadedImage]]:
    """Yield groups of up to `batch` consecutive images of the same size, as padding would change the predictions."""
    group: list[LoadedImage] = []
    for picture in pictures:
        if group and (len(group) == batch or picture.pixels.shape != group[0].pixels.shape):
            yield group
            group = []
        group.append(picture)
    if group:
        yield group
