from __future__ import annotations

from pathlib import Path

from seemkit.cluster.csv_logger import CSVLogger


def lines(folder: Path, name: str = "metrics.csv") -> list[str]:
    return (folder / name).read_text().splitlines()


def log(folder: Path, steps: range, resumed_at: int | None = None) -> None:
    """What a run does with its logger."""
    logger = CSVLogger(folder, name="", version="")
    _ = logger.experiment
    if resumed_at is not None:
        logger.go_on(resumed_at)
    for step in steps:
        logger.log_metrics({"loss": step / 2}, step)
    logger.save()


def test_a_resumed_run_goes_on_in_its_file(tmp_path: Path) -> None:
    log(tmp_path, range(3))
    log(tmp_path, range(3, 5), resumed_at=3)
    assert lines(tmp_path) == ["loss,step", "0.0,0", "0.5,1", "1.0,2", "1.5,3", "2.0,4"]
    assert not list(tmp_path.glob("metrics.*.csv"))


def test_what_is_measured_again_is_kept_aside(tmp_path: Path) -> None:
    log(tmp_path, range(3))
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("1.5")  # a row that a kill has cut short
    log(tmp_path, range(2, 4), resumed_at=2)
    assert lines(tmp_path) == ["loss,step", "0.0,0", "0.5,1", "1.0,2", "1.5,3"]
    assert lines(tmp_path, "metrics.1.csv")[-2:] == ["1.0,2", "1.5"]


def test_another_run_begins_a_file_of_its_own(tmp_path: Path) -> None:
    log(tmp_path, range(2))
    log(tmp_path, range(1))
    assert lines(tmp_path) == ["loss,step", "0.0,0"]
    assert lines(tmp_path, "metrics.1.csv") == ["loss,step", "0.0,0", "0.5,1"]


def test_a_start_that_was_cut_off_loses_nothing(tmp_path: Path) -> None:
    log(tmp_path, range(2))
    _ = CSVLogger(tmp_path, name="", version="").experiment  # puts the file aside, and ends
    log(tmp_path, range(2, 3), resumed_at=2)
    assert lines(tmp_path) == ["loss,step", "0.0,0", "0.5,1", "1.0,2"]
