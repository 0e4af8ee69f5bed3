from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def golden(golden_file: Callable[[str], Path]) -> SimpleNamespace:
    """Outputs of the official post-processing, its inputs after the softmax, and its thing flags."""
    path = golden_file("postproc.golden.npz")
    with np.load(path) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    facts = json.loads(path.with_suffix(".json").read_text())
    num_classes = arrays["cls"].shape[1] - 1
    return SimpleNamespace(
        **arrays,
        probabilities=arrays["cls"].softmax(dim=-1),
        things=[label in facts["thing_classes"] for label in range(num_classes)],
        facts=facts,
    )
