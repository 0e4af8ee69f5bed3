"""A run on two nodes that is asked to make room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import STEPS, Run, fault

pytestmark = pytest.mark.slow


def test_a_preempted_run_ends_as_if_nothing_had_been(
    cluster: Cluster, submit, undisturbed: Run, scenes: Path, tmp_path: Path
) -> None:
    """One process gets the signal that SLURM sends before the time is over, in the middle of an epoch."""
    run = Run(tmp_path / "run", scenes, (fault("SignalOnce", tmp_path),))
    job = submit(run)
    assert cluster.wait(job) == "COMPLETED", run.log
    assert int(cluster.job(job)["Restarts"]) == 1, run.log
    assert "stopped by SIGUSR1" in run.log
    assert run.log.count("requeueing job") == 1
    assert run.curve == undisturbed.curve
    assert set(run.curve) == set(range(STEPS))
    assert run.weights == undisturbed.weights
