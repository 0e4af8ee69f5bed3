"""Support for long runs: signals, requeueing, lost processes, sharded weights, logs that survive a resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seemkit.cluster.csv_logger import CSVLogger
    from seemkit.cluster.requeue import Requeue

__all__ = ["CSVLogger", "Requeue"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"csv_logger": ["CSVLogger"], "requeue": ["Requeue"]}
)
