"""``seemkit segment``: segment one image file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seemkit.cli.model import Load
from seemkit.cli.out_folder import writing
from seemkit.cli.prompts_file import named_prompts
from seemkit.cli.results import Result
from seemkit.errors import InputError
from seemkit.formats.output import MASKS, Output, check_formats
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.io.image import read_image
from seemkit.prompts.values import Prompt


@dataclass(frozen=True)
class SegmentOptions:
    """Options of `seemkit segment`.

    Attributes:
        words: ``"kind=value"`` for each prompt; all of them describe one object.
        file: JSON file with the prompts of named objects, see `seemkit.cli.prompts_file`.
        classes: class names for labels; None for those of the model.
        threshold: lowest score of a segment, 0 to 1; used only without prompts, or with `every`.
        seed: random seed of the session.
        formats: what to write, see `seemkit.formats.output`.
        every: whether to find every object that the prompts mean, see `Session.find_all`, instead of one.
    """

    words: Sequence[str] = ()
    file: Path | None = None
    classes: Sequence[str] | None = None
    threshold: float = 0.5
    seed: int = 0
    formats: Sequence[str] = (MASKS,)
    every: bool = False


def segment_file(image: Path, load: Load, options: SegmentOptions, out: Path) -> list[str]:
    """Segment an image and write the results; return one line for each mask, and the folder.

    Args:
        image: image file.
        load: returns the network for the prompts; called after image and prompts are read.
        options: prompts and settings; without prompts, everything is segmented.
        out: output folder. The results of an earlier call are replaced once the new ones are complete.

    Raises:
        InputError: the image, a prompt, an option or the model is invalid, or `out` cannot be written.
    """
    check(options)
    pixels = read_image(image, upright=True)
    objects = named_prompts(options.words, options.file)
    session = Session(load(objects), pixels, options.seed, options.classes)
    result = find(session, image, pixels, objects, options)
    with writing(out):
        output = Output(out, options.formats)
        output.add(result.segmented(MASKS in options.formats))
        output.finish()
    lines = [_line(name if len(objects) > 1 else None, prediction) for name, prediction in result.found]
    if not lines:
        lines = [f"nothing found: no segment has a score above {options.threshold:g} (--threshold)"]
    return [*lines, f"written to {out}"]


def check(options: SegmentOptions) -> None:
    """Raise InputError unless the options are valid."""
    check_formats(options.formats, "--format")
    if options.every and not (options.words or options.file):
        raise InputError("--all: needs a prompt, for example --text star")
    if not 0 <= options.threshold <= 1:
        raise InputError(f"--threshold {options.threshold:g}: expected a probability, 0 to 1")


def find(
    session: Session, image: Path, pixels: Tensor, objects: Mapping[str, tuple[Prompt, ...]], options: SegmentOptions
) -> Result:
    """Return the predictions of a new session for the objects, or for all segments without objects.

    Raises:
        InputError: a prompt is outside the image, or all prompts of an object are negative.
    """
    found: list[tuple[str | None, Prediction]]
    if not objects:
        found = [(None, segment) for segment in session.panoptic(threshold=options.threshold)]
    elif options.every:
        found = [
            (name, one)
            for name, prompts in objects.items()
            for one in session.find_all(*prompts, threshold=options.threshold)
        ]
    else:
        for name, prompts in objects.items():
            session.add(*prompts, name=name)
        found = [*session.predict_all().items()]
    return Result(image, pixels, session, objects, found)


def _line(name: str | None, prediction: Prediction) -> str:
    said = f"{prediction.label}  score {prediction.score:.3f}  {prediction.area} pixels"
    return f"{'' if name is None else f'{name}: '}{said if prediction.area else f'{prediction.label}: no pixels found'}"
