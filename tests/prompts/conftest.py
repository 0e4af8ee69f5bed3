from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seemkit.prompts.registry import installed


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a package with one plugin module where Python finds it, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, source: str, entry: str | None = None) -> None:
        module = package.replace("-", "_") + "_plugin"
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{package.replace('-', '_')}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(f"[seemkit]\n{entry or package} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)  # one of an earlier test
        importlib.invalidate_caches()
        installed.cache_clear()

    yield put
    installed.cache_clear()
