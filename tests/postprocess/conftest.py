from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """Outputs of the official post-processing, its inputs after the softmax, and its thing flags."""
    path = GOLDEN / "postproc.golden.npz"
    if not path.exists():
        pytest.skip(f"no reference arrays at {path}")
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
