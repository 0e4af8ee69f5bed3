"""One trial of each kind: a random input, the door that it goes to, and what must hold of a result."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import torch

from seemkit.cli.main import main
from seemkit.errors import InputError
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.model.seem import SEEM
from seemkit.prompts.registry import installed, parse_prompt, prompt_from_json, prompt_to_json
from seemkit.prompts.values import Prompt
from tests.networks import TINY, build, picture
from tests.random_inputs.damage import NUMBERS, any_value, damage
from tests.random_inputs.files import FORMATS

HEIGHT, WIDTH = 40, 48
KINDS = {kind: {} for kind in installed().kinds if kind not in ("text",)}
DTYPES = (np.uint8, np.float32, np.float64, np.int64, np.uint16, np.bool_, np.complex64)
WORDS = (
    "10,12",
    "-10,12",
    "5,5,30,30",
    "5,5,30,6,20,25",
    "star",
    "",
    "=",
    "nan,1",
    "9",
    "1e999,1",
    "20,20,6",
    "no.png",
)
FIELDS: dict[str, dict[str, object]] = {
    "point": {"x": 10, "y": 12},
    "box": {"x0": 3, "y0": 4, "x1": 30, "y1": 20},
    "circle": {"points": [[20, 20]], "radius": 6},
    "polygon": {"points": [[3, 3], [30, 4], [20, 30]]},
    "scribble": {"points": [[3, 3], [30, 4]], "width": 4},
}
"""Fields of a valid prompt of each kind that is built from numbers."""
OPTIONS: dict[str, tuple[str, ...]] = {
    "--threshold": ("0.5", "-1", "nan", "x", ""),
    "--seed": ("0", "-3", "1e9", "x"),
    "--classes": ("a,b", "", ",", "a,a"),
    "--format": ("coco-instances", "yolo", "labelme", "palette", "nothing", ""),
    "--all": (),
    "--size": ("64", "0", "x"),
    "--prompts": ("no.json", "", "."),
    "--device": ("cpu", "x", ""),
    "--nothing": ("1",),
}


@cache
def network() -> SEEM:
    """The network of all trials, with every kind of prompt."""
    return build(replace(TINY, embed_dim=64, prompts=KINDS))


@cache
def session() -> Session:
    """A session that is never changed."""
    return Session(network(), picture(HEIGHT, WIDTH))


def check_prediction(found: Prediction, height: int = HEIGHT, width: int = WIDTH) -> None:
    """Raise AssertionError unless a prediction is whole."""
    assert found.mask.shape == (height, width)
    assert found.mask.dtype == torch.bool
    assert 0 <= found.score <= 1, f"score {found.score}"
    assert found.area == int(found.mask.sum())


def image(random: Random, folder: Path) -> None:
    """An array of any shape and type as an image."""
    axes = random.choice([0, 1, 2, 3, 3, 3, 4])
    shape = [random.choice([0, 1, 2, 3, 4, 31, 32, 33, 40]) for _ in range(axes)]
    if axes == 3 and random.random() < 0.7:
        shape = random.choice([[3, 40, 48], [40, 48, 3], [40, 48, 4], [33, 48, 1], [3, 3, 40]])
    array = np.random.default_rng(random.randrange(2**32)).normal(0, random.choice([0.1, 1, 200]), shape)
    if random.random() < 0.5 and array.size:
        array = np.abs(array) / np.abs(array).max()
    if random.random() < 0.2 and array.size:
        array.flat[random.randrange(array.size)] = random.choice([np.nan, np.inf, -np.inf])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = np.asarray(array).astype(random.choice(DTYPES))
    given = torch.from_numpy(array) if random.random() < 0.3 and array.dtype != np.uint16 else array
    opened = Session(network(), given)
    check_prediction(opened.predict(parse_prompt("point=10,12")), *opened.size)


def prompt(random: Random, folder: Path) -> None:
    """Prompts with any fields."""
    check_prediction(session().predict(*(_prompt(random) for _ in range(random.choice([1, 1, 2, 4])))))


def word(random: Random, folder: Path) -> None:
    """Prompts as words of the command line."""
    text = random.choice(WORDS)
    if random.random() < 0.4:
        text = ",".join(str(random.choice(NUMBERS)) for _ in range(random.randrange(1, 8)))
    found = parse_prompt(f"{random.choice([*KINDS, 'text', 'x', ''])}{random.choice(['=', ''])}{text}")
    json.dumps(prompt_to_json(found), allow_nan=False)
    check_prediction(session().predict(found))


def rounds(random: Random, folder: Path) -> None:
    """Calls of a session in any order; after a refused call it is as before."""
    opened = Session.of(network(), session().context)
    for _ in range(random.randrange(2, 9)):
        before = opened.prompts
        call = random.choice(["add", "add", "undo", "redo", "reset", "predict", "find_all", "panoptic"])
        try:
            if call == "add":
                opened.add(_prompt(random), name=random.choice(["a", "b", ""]))
            elif call == "predict":
                check_prediction(opened.predict(name=random.choice([None, "a", "c"])))
            elif call == "find_all":
                for found in opened.find_all(_prompt(random), threshold=random.choice([0.0, 0.5, 1.0])):
                    check_prediction(found)
            elif call == "panoptic":
                for found in opened.panoptic(
                    random.choice([None, ["a", "b"], [], ["a", "a"]]), random.choice([0.0, 0.5])
                ):
                    check_prediction(found)
            elif call == "reset":
                opened.reset(random.choice([None, "a", "c"]))
            else:
                getattr(opened, call)()
        except InputError:
            assert opened.prompts == before, f"{call} was refused, and changed the session"


def file(random: Random, folder: Path) -> None:
    """A damaged file of a real folder."""
    name = random.choice(list(FORMATS))
    root = folder / "real"
    shutil.copytree(_real(name), root)
    path = random.choice(sorted(path for path in root.rglob("*") if path.is_file()))
    way = damage(path, random)
    try:
        FORMATS[name].read(root)
    except InputError as error:
        _check_message(str(error))
    except Exception as error:
        raise AssertionError(
            f"{name}: {path.relative_to(root)} after {way}: {type(error).__name__}: {error}"
        ) from error


def command(random: Random, folder: Path) -> None:
    """A line of `seemkit segment`, of which nothing half-written stays."""
    model = _real("model")
    _real_image(folder / "photo.png")
    words = ["segment", random.choice([str(folder / "photo.png")] * 4 + [str(folder), "nothing.png", ""])]
    words += ["--model", str(model), "--out", str(folder / "out")]
    for _ in range(random.randrange(4)):
        name = random.choice(list(OPTIONS))
        words += [name, *([random.choice(OPTIONS[name])] if OPTIONS[name] else [])]
    for _ in range(random.randrange(3)):
        words += [f"--{random.choice([*KINDS, 'text'])}", random.choice(WORDS)]
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        try:
            code = main(words)
        except SystemExit as stop:
            code = int(stop.code or 0)
    assert code in (0, 1, 2), f"{words}: exit code {code}"
    if code == 2:
        assert not (folder / "out").exists() or not any((folder / "out").iterdir()), f"{words}: left files"
        assert "Traceback" not in said.getvalue()
    hidden = list(folder.rglob(".*"))
    assert not hidden, f"{words}: left {hidden}"


TRIALS: dict[str, tuple[Callable[[Random, Path], None], int]] = {
    "image": (image, 2),
    "prompt": (prompt, 6),
    "word": (word, 4),
    "rounds": (rounds, 3),
    "file": (file, 8),
    "command": (command, 1),
}
"""Each kind of trial, and how often it is drawn."""


def run(seed: int, only: str | None = None) -> str:
    """Run the trial of a seed; return its kind.

    Raises:
        AssertionError: the door let something through that it should not.
        Exception: the door raised something else than `InputError`.
    """
    random = Random(seed)
    kind = only or random.choices(list(TRIALS), [often for _, often in TRIALS.values()])[0]
    with tempfile.TemporaryDirectory() as folder, _quietly():
        try:
            TRIALS[kind][0](random, Path(folder))
        except InputError as error:
            _check_message(str(error))
    return kind


def _check_message(said: str) -> None:
    assert said.strip(), "an empty message"
    assert "\x1b" not in said, f"escape codes in {said!r}"
    assert "weights_only" not in said, f"advice to load unsafely in {said!r}"


def _prompt(random: Random) -> Prompt:
    """A prompt of any kind whose fields are right, or nearly, or not at all."""
    kind = random.choice(list(KINDS))
    values = json.loads(json.dumps(FIELDS.get(kind, {"points": [[3, 3], [9, 9]]})))
    for name in list(values):
        if random.random() < 0.3:
            values[name] = any_value(random)
        elif isinstance(values[name], list) and random.random() < 0.3:
            values[name].append([random.choice(NUMBERS), random.choice(NUMBERS)])
        elif random.random() < 0.5 and not isinstance(values[name], list):
            values[name] = random.choice([random.uniform(-5, 60), random.randrange(-2, 60)])
    if random.random() < 0.3:
        values["positive"] = random.choice([True, False, 1, "no"])
    return prompt_from_json({"kind": kind, **values})


@cache
def _real(name: str) -> Path:
    """The folder of a format, written once."""
    folder = Path(tempfile.mkdtemp(prefix="seemkit-random-")) / "real"
    folder.mkdir()
    FORMATS[name].write(folder)
    return folder


def _real_image(path: Path) -> None:
    from seemkit.inference.drawing import to_pil

    to_pil(picture(HEIGHT, WIDTH)).save(path)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
