from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from tests.random_inputs.files import FORMATS
from tests.random_inputs.trials import TRIALS, run


@pytest.mark.parametrize("name", FORMATS)
def test_the_undamaged_files_are_read(name: str, tmp_path: Path) -> None:
    root = tmp_path / "real"
    root.mkdir()
    FORMATS[name].write(root)
    FORMATS[name].read(root)


@pytest.mark.parametrize("kind", TRIALS)
def test_some_trials_of_each_kind(kind: str) -> None:
    for seed in range(20):
        run(seed, kind)


@pytest.mark.slow
def test_a_minute_of_random_inputs() -> None:
    end = time.monotonic() + 60
    done = {run(seed) for seed in itertools.takewhile(lambda _: time.monotonic() < end, itertools.count(1000))}
    assert done == set(TRIALS)
