"""The table of mixes of prompts, on a network of seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seemkit import SEEM

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "composition.py"


@pytest.mark.slow
def test_every_mix_has_a_row(tiny_network: SEEM, tmp_path: Path) -> None:
    tiny_network.save(tmp_path / "model")
    words = [
        "--model",
        str(tmp_path / "model"),
        "--scenes",
        "3",
        "--split",
        "val",
        "--json",
        str(tmp_path / "out.json"),
    ]
    result = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    rows = {row["mix"]: row for row in found["rows"]}
    assert {"click", "text", "text + click", "3 clicks", "box", "scribble", "polygon", "text + referred region"} <= set(
        rows
    )
    assert rows["click"]["objects"] == rows["3 clicks"]["objects"] >= rows["text + click"]["objects"] > 0
    for row in found["rows"]:
        assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1
        assert row["mix"] in result.stdout
    compared = {row["comparison"]: row for row in found["comparisons"]}
    for row in compared.values():
        assert row["holds"] is (row["mean"] >= row["wanted"])
        assert row["low"] <= row["mean"] <= row["high"]
    assert "3 clicks >= 1 click" in compared
