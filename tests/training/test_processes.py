"""Training on two processes is training on one, whatever the images of each process hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.two_processes import STEPS

SCRIPT = Path(__file__).with_name("two_processes.py")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}


def start(world: int, out: Path, strategy: str) -> None:
    """Runs the script in so many processes; the timeout turns one that waits for another into a failure."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
    command = [sys.executable, *torchrun, str(SCRIPT), str(out), strategy]
    done = subprocess.run(command, env=ENVIRONMENT, timeout=120, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gradients")
    start(1, out, "auto")
    return out


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_gradients_of_two_processes_are_those_of_one(strategy: str, folder: Path) -> None:
    start(2, folder, strategy)
    alone, *ranks = (torch.load(folder / name) for name in ("1-auto-0.pt", f"2-{strategy}-0.pt", f"2-{strategy}-1.pt"))
    for rank in ranks:
        for name, wanted, found in zip(STEPS, alone, rank, strict=True):
            assert found.keys() == wanted.keys()
            assert found.pop("loss").item() == pytest.approx(wanted["loss"].item(), rel=1e-5), name
            whole, other = (torch.cat([step[key].flatten() for key in found]) for step in (wanted, found))
            assert (whole - other).norm() <= 1e-5 * whole.norm(), name
            for key, value in found.items():
                assert (value - wanted[key]).norm() <= 1e-4 * wanted[key].norm() + 1e-6 * whole.norm(), (name, key)
