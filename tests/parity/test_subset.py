"""The official numbers in this repository: where they come from, and what is made anew instead of stored."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.parity.write_official_subset import CONFIG, ROOT, SUBSET, load

DRAWS = 4e-6
"""How much torch's normal numbers differ between kinds of CPUs."""


@pytest.fixture
def rules(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("golden")


def test_it_is_cut_from_all_arrays(all_arrays, tmp_path):
    command = [sys.executable, "-m", "tests.parity.write_official_subset", str(all_arrays), "--to", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert {path.name for path in SUBSET.iterdir()} == {path.name for path in tmp_path.iterdir()} | {"README.md"}
    for path in tmp_path.iterdir():
        if path.suffix == ".json":
            assert path.read_text() == (SUBSET / path.name).read_text()
        else:
            new, old = load(path), load(SUBSET / path.name)
            assert new.keys() == old.keys()
            assert all(np.array_equal(new[name], old[name]) for name in new)


def test_it_is_small():
    assert sum(path.stat().st_size for path in SUBSET.iterdir()) <= 2_000_000


def test_the_image_is_the_stored_one(rules):
    stored = load(SUBSET / "input.golden.npz")
    image = rules.synthetic_image(*stored["pos"].shape[1:])
    np.testing.assert_allclose(image[..., ::16, ::16].numpy(), stored["image_sample"], rtol=0, atol=DRAWS)


def test_the_image_is_bilinear(rules):
    low = torch.randn(1, 3, 8, 10, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(low, (256, 320), mode="bilinear", align_corners=False)
    torch.testing.assert_close(rules._enlarge(low, 256, 320), expected, rtol=0, atol=1e-6)


def test_weights_are_the_reference_s(rules):
    shapes = json.loads((SUBSET / f"{CONFIG}.keys.json").read_text())
    for name, expected in json.loads((SUBSET / "weights_check.json").read_text())[CONFIG]["first4"].items():
        found = rules.synthetic(name, shapes[name][0]).flatten()[:4]
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=DRAWS)
