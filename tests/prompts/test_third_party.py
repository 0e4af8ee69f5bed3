"""The example package, built and installed as a user would, beside seemkit's own wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from seemkit.data.scenes import write_scenes
from tests.cli.test_train import SMALL, TINY

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment whose seemkit and plugins come from wheels, and all else from the outer one.

    Args:
        folder: where to make it.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        site = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
        # a plain path: the .pth files of the outer environment, and so its editable seemkit, are not read
        (site / "outer.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        self.site = site

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """What a command of this Python leaves."""
        hidden = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        result = subprocess.run(
            [self.python, *words], capture_output=True, text=True, env=hidden, cwd=self.python.parent, check=False
        )
        assert not check or result.returncode == 0, result.stderr
        return result

    def seemkit(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """What a seemkit command leaves."""
        return self.run(str(self.python.with_name("seemkit")), *words, check=check)

    def pip(self, *words: str) -> None:
        """Runs the outer pip on this environment."""
        pip(*words, python=self.python)


def pip(*words: str, python: Path | None = None) -> None:
    """Runs pip."""
    target = [] if python is None else ["--python", str(python)]
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *target, *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT), str(ROOT / "plugins" / "seemkit-lasso"))
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    made.pip("install", "--no-deps", "--no-index", *map(str, wheels))
    return made


def test_the_wheels_hold_what_they_should(environment):
    code = "import seemkit, seemkit_lasso, seemkit_prompts; print(seemkit.__file__, seemkit_lasso.__file__)"
    found = environment.run("-c", code).stdout.split()
    assert all(path.startswith(str(environment.site)) for path in found)
    templates = environment.site / "seemkit" / "cli" / "templates" / "plugin"
    assert len(list(templates.iterdir())) == 4
    assert not (environment.site / "tests").exists()


def test_it_is_listed_used_trained_with_and_asked_for(environment, tmp_path):
    listed = environment.seemkit("plugins").stdout
    assert "lasso            visual_prompt  seemkit-lasso  0.1.0" in listed
    scenes = write_scenes(tmp_path / "scenes", {"train": 6, "val": 2, "test": 2}, size=64)
    run = tmp_path / "run"
    trainer = {"max_steps": 3, "default_root_dir": str(run), "val_check_interval": 3, "log_every_n_steps": 1}
    data = {"class_path": "seemkit.data.CocoDataModule", "init_args": {"root": str(scenes), "batch_size": 3}}
    user = {"center": 0.0, "kinds": {"lasso": 1.0}, "described": 0.0}
    content = {**SMALL, "trainer": trainer, "data": data}
    content["model"] = {**SMALL["model"], "sampling": {"user": user}, "alignment": {"weight": 1.0, "alone": 0}}
    config = tmp_path / "lasso.yaml"
    config.write_text(yaml.safe_dump(content))
    words = ["--config", str(TINY), "--config", str(config)]
    environment.seemkit("fit", *words)
    header, *rows = (run / "logs" / "csv" / "metrics.csv").read_text().splitlines()
    column = header.split(",").index("train/visual_bce")
    assert all(float(row.split(",")[column]) > 0 for row in rows[:3])  # objects were prompted, by lassos only
    assert yaml.safe_load((run / "architecture.yaml").read_text())["prompt_kinds"]["lasso"] == "seemkit-lasso"

    picture = scenes / "test" / "000000.png"
    segment = ["segment", str(picture), "--model", str(run), "--out", str(tmp_path / "out")]
    environment.seemkit(*segment, "--prompt", "lasso=5,5,50,8,45,50,8,40")
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["prompts"]["object"][0]["kind"] == "lasso"
    assert np.array(Image.open(tmp_path / "out" / "mask_00.png")).shape == (64, 64)

    environment.pip("uninstall", "--yes", "seemkit-lasso")
    failed = environment.seemkit(*segment, "--point", "20,20", check=False)
    assert failed.returncode == 2
    assert "needs prompt kind 'lasso': pip install seemkit-lasso" in failed.stderr
    last = ["--ckpt_path", str(run / "checkpoints" / "last.ckpt")]
    failed = environment.seemkit("test", *words, *last, check=False)
    assert failed.returncode == 2
    assert "needs prompt kind 'lasso': pip install seemkit-lasso" in failed.stderr
    assert "lasso" not in environment.seemkit("plugins").stdout
