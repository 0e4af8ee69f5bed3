"""``benchmarks/parity.py``: against the official arrays where they are, and against seemkit's own everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
OWN = Path(__file__).parent / "own"
LONG = pytest.mark.skipif("SEEMKIT_LONG_PARITY" not in os.environ, reason="takes minutes: set SEEMKIT_LONG_PARITY=1")
OFFICIAL = (
    "focalt_unicl_lang_v1",
    pytest.param("focalt_unicl_lang_demo", marks=LONG),
    pytest.param("focalt_unicl_lang_v0", marks=LONG),
    pytest.param("davitd3_unicl_lang_v1", marks=LONG),
)
SAM = "samvitb_unicl_lang_v1"


def run(golden: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "parity.py"), "--golden", str(golden), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("config", OFFICIAL)
def test_official_arrays(golden_folder, tmp_path, config):
    done = run(golden_folder, "--only", config, "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())[config]
    with np.load(golden_folder / f"{config}.golden.npz") as stored:
        names = {name for name in stored.files if not name.endswith(("rand_query_idx", "memory_idx_per_layer"))}
    assert names <= set(found)


@LONG
@pytest.mark.slow
def test_official_arrays_in_single_precision(golden_folder, tmp_path):
    """Both sides are float32 here, so now and then an attention bit differs and with it some queries of a scenario."""
    run(golden_folder, "--only", SAM, "--json", str(tmp_path / "found.json"))
    found = json.loads((tmp_path / "found.json").read_text())[SAM]
    failed = {name for name, row in found.items() if not row["passed"]}
    assert len(found) > 250
    assert {name.partition("/")[0] for name in failed} <= {"grounding0", "batch2"}
    assert len(failed) <= 15


def test_own_arrays():
    done = run(OWN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "small_v0" in done.stdout
    assert "small_v1" in done.stdout
    assert "small_demo" in done.stdout


@pytest.mark.parametrize("change", ["number", "missing"])
def test_a_difference_is_found(tmp_path, change):
    for path in OWN.glob("*"):
        if path.name.startswith(("small_demo", "input")):
            shutil.copy(path, tmp_path)
    arrays = dict(np.load(tmp_path / "small_demo.golden.npz"))
    if change == "number":
        arrays["text/pred_logits"][0, 3, 2] += 0.01
    else:
        arrays["text/pred_unheard"] = np.zeros(3, dtype=np.float32)
    np.savez(tmp_path / "small_demo.golden.npz", **arrays)
    done = run(tmp_path)
    assert done.returncode == 1, done.stderr
    assert "1 OVER TOLERANCE" in done.stdout


def test_a_folder_without_arrays(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert "no configuration" in done.stderr
