"""``seemkit plugins new``: what it writes is a package that works and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from seemkit.cli.main import main


def installed_by_hand(folder: Path, kind: str, module: str) -> dict[str, str]:
    """The environment in which Python finds the package as if pip had installed it."""
    info = folder / f"seemkit_{kind.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: seemkit-{kind}\nVersion: 0.1.0\n")
    points = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]["seemkit"]
    assert points == {kind: module}
    (info / "entry_points.txt").write_text(f"[seemkit]\n{kind} = {module}\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.parametrize("kind", ["lasso", "ink-blot"])
def test_the_skeleton_passes_its_own_tests(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", kind, "--out", str(tmp_path)]) == 0
    folder = tmp_path / f"seemkit-{kind}"
    assert f"pip install -e '{folder}[tests]'" in capsys.readouterr().out
    module = f"seemkit_{kind.replace('-', '_')}"
    environment = installed_by_hand(folder, kind, module)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout
    listed = [sys.executable, "-c", "from seemkit.cli.main import main; main(['plugins'])"]
    found = subprocess.run(listed, capture_output=True, text=True, env=environment, check=True).stdout
    (row,) = [line.split() for line in found.splitlines() if line.startswith(f"{kind} ")]
    assert row == [kind, "visual_prompt", f"seemkit-{kind}", "0.1.0"]


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    main(["plugins", "new", "lasso", "--out", str(tmp_path)])
    files = [path for path in (tmp_path / "seemkit-lasso").rglob("*") if path.is_file()]
    assert len(files) == 4
    for path in files:
        text = path.read_text()
        assert "${" not in text
        assert not any(f"${name}" in text for name in ("kind", "package", "module", "name", "api"))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Lasso", "expected lower-case letters and digits"),
        ("../evil", "expected lower-case letters and digits"),
        ("", "expected lower-case letters and digits"),
        ("box", "package 'seemkit' already has this kind"),
        ("prompts", "means something else"),  # its module would be that of the built-in kinds
        ("region", "means something else"),  # the class Region is imported
        ("class", "means something else"),
        ("type", "means something else"),
    ],
)
def test_bad_names(kind: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", kind, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "seemkit-lasso").mkdir()
    (tmp_path / "seemkit-lasso" / "mine.txt").write_text("mine")
    assert main(["plugins", "new", "lasso", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["seemkit-lasso", "mine.txt"]
    (tmp_path / "file").write_text("no folder")
    assert main(["plugins", "new", "lasso", "--out", str(tmp_path / "file")]) == 2
    assert "cannot write there" in capsys.readouterr().err
