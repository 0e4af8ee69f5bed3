"""A CSV logger that survives a resume."""

from __future__ import annotations

import itertools
from pathlib import Path

from lightning.pytorch import loggers
from lightning.pytorch.utilities import rank_zero_only


class CSVLogger(loggers.CSVLogger):
    """Lightning's, but for the measurements of an earlier run in the same folder, which it would delete.

    They are kept beside the new ``metrics.csv`` as ``metrics.1.csv``, ``metrics.2.csv`` and so on.
    """

    @property
    def experiment(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 (Lightning's own type is private)
        """The writer of the file."""
        file = Path(self.log_dir) / "metrics.csv"
        if self._experiment is None and file.exists() and _is_first_process():
            numbered = (file.with_suffix(f".{number}.csv") for number in itertools.count(1))
            file.rename(next(path for path in numbered if not path.exists()))
        return super().experiment


def _is_first_process() -> bool:
    """Whether this is the process that writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0
