"""What `seemkit slurm submit` checks and writes; tests/slurm runs it on a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seemkit.cli import slurm
from seemkit.cli.main import main
from seemkit.errors import InputError

HOME = Path(__file__).parents[2]
TINY = "configs/seem_tiny.yaml"


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)


def submit(*words: str) -> int:
    return main(["slurm", "submit", "--config", TINY, "--time", "1:00:00", *words])


def offer(program: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of SLURM that prints a text."""
    path = folder / program
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_the_shipped_script_is_what_it_writes(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", "configs/seem_davit.yaml", "--nodes", "2", "--devices", "8", "--time", "24:00:00", "--dry-run"]
    assert main(["slurm", "submit", *words]) == 0
    assert capsys.readouterr().out == (HOME / "configs" / "slurm" / "seem_davit.sbatch").read_text()


def test_a_run_on_processors_asks_for_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert submit("--dry-run", "--data.seed", "3", "--trainer.default_root_dir", "new/x", "--data.root", "a b") == 0
    script = capsys.readouterr().out
    assert "gpus" not in script
    assert "\n  --data.seed 3 \\\n" in script
    assert "\n  --data.root 'a b' \\\n" in script
    assert not (HOME / "new").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "0"], "--nodes: is 0"),
        (["--trainer.devices", "4"], "--trainer.devices: use --devices"),
        (["--ckpt_path=x.ckpt"], "--ckpt_path: a job resumes"),
        (["--time", "soon"], "--time: 'soon'"),
        (["--data.batchsize", "4"], "batchsize"),
        (["--trainer.default_root_dir", "/dev/null/run"], "/dev/null/run cannot be written"),
        (["--trainer.default_root_dir", "my run"], "'my run' has a space"),
    ],
)
def test_what_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(*words, "--dry-run") == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_sharing_weights_among_another_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "sharded.yaml"
    config.write_text(
        "trainer: {strategy: {class_path: lightning.pytorch.strategies.ModelParallelStrategy, "
        "init_args: {data_parallel_size: 4}}}"
    )
    assert submit("--config", str(config), "--nodes", "2", "--devices", "8", "--dry-run") == 2
    assert "set data_parallel_size: 16" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "partition", "said"),
    [
        ("gpu* 2-00:00:00\\nshort 30:00", None, None),
        ("gpu* 2-00:00:00\\nshort 30:00", "short", "partition short allows 30:00"),
        ("gpu* 2-00:00:00\\nshort 30:00", "gpus", "no 'gpus'; choose from: gpu, short"),
        ("gpu infinite", None, "no default; choose from: gpu"),
        ("gpu infinite", "gpu", None),
    ],
)
def test_partitions(
    rows: str, partition: str | None, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer("sinfo", f"printf '{rows}\\n'", tmp_path, monkeypatch)
    request = slurm.JobOptions([TINY], [], 1, 1, "1:00:00", partition)
    if said is None:
        assert ("--partition" in slurm.plan(request).script) == (partition is not None)
    else:
        with pytest.raises(InputError, match=said):
            slurm.plan(request)


def test_submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    offer("sinfo", "exit 1", tmp_path, monkeypatch)
    offer("sbatch", 'head -n 2 "$2" >&2; echo "17;cluster"', tmp_path, monkeypatch)
    run = tmp_path / "interactive"
    assert submit("--trainer.default_root_dir", str(run), "--sbatch=--account=us") == 0
    assert capsys.readouterr().out.startswith("job 17 submitted")
    script = (run / "job.sbatch").read_text()
    assert "--job-name=seemkit-interactive" in script
    assert "#SBATCH --account=us" in script
    offer("sbatch", "echo 'no such account' >&2; exit 1", tmp_path, monkeypatch)
    assert submit("--trainer.default_root_dir", str(run)) == 2
    assert "no such account" in capsys.readouterr().err


def test_without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="sbatch: not found"):
        slurm.submit(slurm.Job(tmp_path, ""))


@pytest.mark.parametrize(
    ("time", "equal", "shorter"),
    [
        ("90", "1:30:00", "1:29:59"),
        ("2:30", "2:30", "2:29"),
        ("1:00:05", "1:00:05", "1:00:04"),
        ("2-12", "60:00:00", "59:59:59"),
        ("1-00:30", "24:30:00", "1-0:29:59"),
    ],
)
def test_times_as_slurm_writes_them(
    time: str, equal: str, shorter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = slurm.JobOptions([TINY], [], 1, 1, time)
    offer("sinfo", f"echo 'gpu* {equal}'", tmp_path, monkeypatch)
    assert f"#SBATCH --time={time}\n" in slurm.plan(options).script
    offer("sinfo", f"echo 'gpu* {shorter}'", tmp_path, monkeypatch)
    with pytest.raises(InputError, match=f"partition gpu allows {shorter} at most"):
        slurm.plan(options)
