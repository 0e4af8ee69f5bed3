"""Every command and every Python block of the pages is executed, with a few steps in place of a training."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

from seemkit.cli import train
from seemkit.cli.main import main
from tests.app.browser import serving
from tests.docs.pages import PAGES, Command, Program, steps
from tests.docs.world import write_world

ELSEWHERE = {
    r"python -m venv|\. \.venv|pip install|pytest|tensorboard|echo": "installs, or is no command of seemkit",
    r"seemkit app|curl": "tests/app",
    r"seemkit plugins new|--prompt ink-blot": "tests/cli/test_new_plugin.py installs and tests a new package",
    r"python (benchmarks|-m tests)": "tests/benchmarks, tests/parity and tests/photographs.py",
    r"--model seem-focal-t-v1|models/focal-t-v1|seemkit convert": "tests/checkpoints and tests/cli/test_convert.py",
    r"--device cuda": "needs a GPU",
    r"seemkit slurm": "tests/cli/test_slurm.py",
}
"""Commands that are not executed here, each with the reason or the place where it is."""
PARSED = r"configs/(seem_davit|seem_focal_t|referring|overlays/(finetune_photos_tiny|photos_tiny|scenes_tiny))"
"""Full-size runs, and those of data that cannot be written here: their options are checked, and nothing is built."""
FEW = {
    r"seemkit fit": ("--trainer.max_steps=2", "--trainer.limit_val_batches=1", "--trainer.limit_test_batches=1"),
    r"seemkit test": ("--trainer.limit_test_batches=1",),
    r"seem_tiny.yaml(?!.*photos)": ("--data.images_train=8", "--data.images_val=2", "--data.images_test=2"),
    r"overlays/photos": ("--data.batch_size=2",),
    r"(finetune|interactive).yaml": ("--trainer.accelerator=cpu", "--trainer.devices=1"),
    r"WEIGHTS|configs/interactive.yaml(?!.*weights)": ("--model.weights=photos-tiny",),
    r"finetune.yaml.*WEIGHTS": ("--model.weights=scenes-tiny",),
}
"""Options that are added to a command that a pattern fits."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages") / "world"
    root.mkdir()
    write_world(root)
    return root


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, as the current folder."""
    shutil.copytree(world, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_there_are_pages() -> None:
    assert sum(len(steps(page)) for page in PAGES) > 60


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if steps(page)])
def test_a_page(page: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if page == "docs/howto/evaluation.md":
        _run(Command(("seemkit", "fit", "--config", "configs/seem_tiny.yaml"), ()), here, capsys)
    names: dict[str, object] = {}
    for step in steps(page):
        if isinstance(step, Program) and "ink_blot" in step.source:
            continue  # see ELSEWHERE: the package is not installed here
        if isinstance(step, Program) and "127.0.0.1:8000" in step.source:
            with serving("photo.jpg") as server:
                exec(step.source.replace("http://127.0.0.1:8000/", server.address), names)
        elif isinstance(step, Program):
            exec(_for_this_machine(step.source), names)
        else:
            _run(step, here, capsys)


def test_every_command_is_executed_or_has_a_reason() -> None:
    commands = [str(step) for page in PAGES for step in steps(page) if isinstance(step, Command)]
    for pattern in (*ELSEWHERE, PARSED, *FEW):
        assert any(re.search(pattern, command) for command in commands), f"{pattern}: no page has such a command"


def _run(command: Command, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = str(command)
    if any(re.search(pattern, said) for pattern in ELSEWHERE):
        return
    if command.words[0] == "cp":
        shutil.copy(*command.words[1:])
        return
    assert command.words[0] == "seemkit", f"{said}: add it to this test"
    if re.search(PARSED, said):
        train.read(train.configs_first(_existing(command.words[1:])))
        return
    if "data shard scenes" in said:  # after the check, its reader mends the folder
        shutil.rmtree("scenes")
        Path("mended").rename("scenes")
    more = [option for pattern, options in FEW.items() if re.search(pattern, said) for option in options]
    capsys.readouterr()
    try:
        code = main([*command.words[1:], *more])
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    problems = "data check" in said
    assert code == int(problems), f"{said}: exit code {code}\n{printed.err}"
    _check_printed(command, printed.out)
    _check_results(command, here)


def _existing(words: tuple[str, ...]) -> list[str]:
    """Words without the configuration that the reader writes."""
    return [word for at, word in enumerate(words) if "clothing.yaml" not in (word, *words[at + 1 : at + 2])]


def _check_printed(command: Command, printed: str) -> None:
    """What the page shows is printed; the numbers of a larger folder cannot be."""
    shown, lines = list(command.printed), printed.splitlines()
    if "shard" in command.words:
        shown, lines = ([re.sub(r"[\d ]+", " ", line) for line in some] for some in (shown, lines))
    assert [line for line in shown if line not in lines] == [], printed


def _check_results(command: Command, here: Path) -> None:
    """What `seemkit segment` wrote is complete."""
    if command.words[1] == "segment":
        out = here / command.words[command.words.index("--out") + 1]
        assert any(out.rglob("*.json")), f"{command}: wrote no JSON"


def _for_this_machine(source: str) -> str:
    """A program with a shipped model for a downloaded one, and without a GPU on the CPU, where nothing is compiled."""
    source = source.replace("seem-focal-t-v1", "scenes-tiny")
    if torch.cuda.is_available():
        return source
    return source.replace('device="cuda"', 'device="cpu"').replace("compile=True", "compile=False")
