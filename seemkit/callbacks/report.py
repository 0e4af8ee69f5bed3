"""The table of results at the end of a test, and ``metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from seemkit.ops.files import replacing

STAGE = "test/"

ROWS = {
    "pq": "PQ",
    "pq_things": "PQ, things",
    "pq_stuff": "PQ, stuff",
    "miou": "mIoU",
    "referring_ciou": "Referring cIoU",
    "referring_ciou_attribute": "Referring cIoU, attributes",
    "referring_ciou_relation": "Referring cIoU, relations",
    "referring_ciou_unseen": "Referring cIoU, unseen pairs",
    "iou_1click": "IoU after 1 click",
    "iou_3clicks": "IoU after 3 clicks",
    "iou_5clicks": "IoU after 5 clicks",
    "noc_85": "NoC@85 (clicks)",
    "noc_90": "NoC@90 (clicks)",
    "jf_mean": "J&F, objects in videos",
    "j_mean": "J",
    "f_mean": "F",
}
"""Results of the printed table and their names, in order."""


class Report(Callback):
    """Prints the table and writes all test results to ``metrics.json`` in the run folder.

    Fractions are 0..1 in the table and the file.

    Args:
        rows: names of further results for the printed table.
    """

    def __init__(self, rows: Sequence[str] = ()) -> None:
        self.rows = {**ROWS, **{name: name for name in rows}}

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints and writes."""
        results = {
            name.removeprefix(STAGE): round(float(value), 6)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(STAGE) and not value.isnan()  # nothing of that kind in the data
        }
        if not trainer.is_global_zero or not results:
            return
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "metrics.json") as path:
            path.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
        table = Table("result", "value", title="Held-out images")
        for name, title in self.rows.items():
            if name in results:
                table.add_row(title, f"{results[name]:.2f}" if name.startswith("noc") else f"{results[name]:.3f}")
        console = Console()
        console.print(table)
        console.print(f"run folder: {folder}", soft_wrap=True)
