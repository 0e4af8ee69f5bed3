"""A CSV logger that survives a resume."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

from lightning.pytorch import loggers

from seemkit.cluster.lightning_adapter import is_first_process
from seemkit.io.atomic import replacing


class CSVLogger(loggers.CSVLogger):
    """Lightning's CSV logger, except that it keeps the measurements of earlier runs in the same folder.

    An earlier ``metrics.csv``, which Lightning would delete, is renamed to ``metrics.1.csv``, ``metrics.2.csv`` and so
    on. A run that resumes from a checkpoint continues in ``metrics.csv``: the rows up to the checkpoint are copied. If
    these are all rows, the renamed file is deleted.
    """

    _earlier: Path | None = None

    @property
    def experiment(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 (Lightning's own type is private)
        """The writer of ``metrics.csv``."""
        file = Path(self.log_dir) / "metrics.csv"
        if self._experiment is None and file.exists() and is_first_process():
            numbered = (file.with_suffix(f".{number}.csv") for number in itertools.count(1))
            self._earlier = file.rename(next(path for path in numbered if not path.exists()))
        return super().experiment

    def go_on(self, step: int) -> None:
        """Start ``metrics.csv`` with the rows that the earlier run wrote in its steps before `step`.

        The earlier file is the one that this run renamed. If this run renamed none, it is the latest renamed one,
        because an interrupted start has moved the file there.
        """
        if not is_first_process():
            return
        writer = self.experiment
        earlier = self._earlier or self._newest_aside()
        if earlier is None:
            return
        with earlier.open(newline="") as source:
            rows = csv.DictReader(source)
            names = list(rows.fieldnames or ())
            everything = list(rows)
        # the last row can be incomplete
        kept = [row for row in everything if (row.get("step") or "").isdigit() and int(row["step"]) < step]
        with replacing(Path(self.log_dir) / "metrics.csv") as path, path.open("w", newline="") as file:
            target = csv.DictWriter(file, names)
            target.writeheader()
            target.writerows(kept)
        writer.metrics_keys = names
        if len(kept) == len(everything):
            earlier.unlink()
        self._earlier = None

    def _newest_aside(self) -> Path | None:
        numbered = Path(self.log_dir).glob("metrics.*.csv")
        return max(numbered, key=lambda path: int(path.suffixes[0][1:]), default=None)
