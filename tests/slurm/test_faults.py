"""What can go wrong on a cluster. It takes ten minutes: ``SEEMKIT_LONG_SLURM=1``, or ``nox -s slurm``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import EVERY, STEPS, Run, fault, plain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("SEEMKIT_LONG_SLURM" not in os.environ, reason="takes ten minutes: set SEEMKIT_LONG_SLURM=1"),
]
IMPATIENT = {"class_path": "lightning.pytorch.strategies.DDPStrategy", "init_args": {"timeout": "0:00:20"}}


@pytest.mark.parametrize(
    ("what", "rank", "said"),
    [
        ("KillOnce", 1, None),
        ("KillOnce", 0, None),
        ("RaiseOnce", 1, r"this process has lost its way"),
        ("HangOnce", 1, r"seemkit: rank 1 \(host \S+, process \d+\) no longer answers"),
        ("NoRoom", 0, r"cannot be written"),
    ],
)
def test_a_fault_of_one_process_ends_the_job(
    what: str, rank: int, said: str | None, cluster: Cluster, submit, undisturbed: Run, scenes: Path, tmp_path: Path
) -> None:
    """The checkpoint before it is whole, and the same job, submitted again, goes on from there."""
    run = Run(tmp_path / "run", scenes, (fault(what, tmp_path, rank=rank),), {"strategy": IMPATIENT})
    assert cluster.wait(submit(run)) == "FAILED", run.log
    assert said is None or re.search(said, run.log), run.log
    assert run.saved_step == EVERY
    assert cluster.wait(submit(run)) == "COMPLETED", run.log
    assert run.curve == undisturbed.curve
    assert run.weights == undisturbed.weights


@pytest.mark.parametrize(
    ("what", "step", "saved"), [("SignalInValidation", 4, 4), ("SignalInCheckpoint", 4, 4), ("SignalAtStart", 0, 0)]
)
def test_a_preemption_at_a_bad_time(
    what: str, step: int, saved: int, cluster: Cluster, submit, undisturbed: Run, scenes: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run", scenes, (fault(what, tmp_path, step=step),), {"limit_val_batches": 1.0})
    job = submit(run)
    cluster.wait_until(lambda: "requeueing job" in run.log, 120)
    assert run.saved_step == saved
    assert cluster.wait(job) == "COMPLETED", run.log
    assert int(cluster.job(job)["Restarts"]) == 1
    assert run.curve == undisturbed.curve
    assert run.validations == [3, 7, 11]
    assert run.weights == undisturbed.weights


def test_a_lost_node(cluster: Cluster, submit, undisturbed: Run, scenes: Path, tmp_path: Path) -> None:
    """SLURM itself queues the job again, which goes on from the last checkpoint when the node is back."""
    run = Run(tmp_path / "run", scenes, ({"class_path": "tests.stopping.Slow", "init_args": {"seconds": 0.5}},))
    job = submit(run)
    cluster.wait_until(run.last.exists, 120)
    time.sleep(1)
    node = cluster.nodes[1]
    cluster.lose_node(node)
    try:
        cluster.wait_until(lambda: cluster.job(job)["JobState"] == "PENDING", 120)
        assert run.saved_step in range(EVERY, STEPS, EVERY)
    finally:
        cluster.start_node(node)
    assert cluster.wait(job, 180) == "COMPLETED", run.log
    assert run.curve == undisturbed.curve
    assert run.weights == undisturbed.weights


def test_what_slurm_sends_reaches_all_processes(
    cluster: Cluster, submit, undisturbed: Run, scenes: Path, tmp_path: Path
) -> None:
    """Those that load images, too: first to make room, then to give up."""
    run = Run(tmp_path / "run", scenes, ({"class_path": "tests.stopping.Slow", "init_args": {"seconds": 0.7}},))
    loading = ["--data.num_workers", "1"]
    job = submit(run, *loading)
    cluster.wait_until(run.last.exists, 120)
    cluster.run("scancel", "--signal=USR1", job)
    cluster.wait_until(lambda: "requeueing job" in run.log, 60)
    first = run.saved_step
    assert EVERY <= first < STEPS - 2
    cluster.wait_until(lambda: "Restored all states" in run.log, 120)
    time.sleep(2)
    cluster.run("scancel", job)
    assert cluster.wait(job) == "CANCELLED"
    cluster.wait_until(cluster.is_idle)
    assert "stopped by SIGTERM" in run.log
    assert first <= run.saved_step < STEPS
    assert cluster.wait(submit(run, *loading)) == "COMPLETED", run.log
    assert run.curve == undisturbed.curve
    assert run.weights == undisturbed.weights


def test_ctrl_c_reaches_both_processes(undisturbed: Run, scenes: Path, tmp_path: Path) -> None:
    """Without SLURM; a terminal sends the signal to all processes."""
    run = Run(tmp_path / "run", scenes, ({"class_path": "tests.stopping.Slow", "init_args": {"seconds": 0.3}},))
    command = [sys.executable, "-m", "seemkit", "fit", *run.words, "--trainer.devices", "2", "--ckpt_path", "last"]
    process = subprocess.Popen(
        command, env=plain(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    while not run.last.exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, output
    assert EVERY < run.saved_step < STEPS
    assert "Traceback" not in output
    subprocess.run(command, env=plain(), check=True, capture_output=True, timeout=120)
    assert run.curve == undisturbed.curve
    assert run.weights == undisturbed.weights


def test_torchrun_takes_the_same_options(undisturbed: Run, scenes: Path, tmp_path: Path) -> None:
    """Two nodes of one process each, as torchrun starts them; the options do not say so."""
    run = Run(tmp_path / "run", scenes)
    run.torchrun()
    assert run.curve == undisturbed.curve
    assert run.weights == undisturbed.weights
