"""The report at the end of a test: a printed table, ``metrics.json``, and a page with curves and worst cases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from seemkit.callbacks.evaluation.base import Evaluation
from seemkit.callbacks.evaluation.worst_cases import Case, WorstCases
from seemkit.callbacks.report.page import write_page
from seemkit.io.atomic import replacing

STAGE = "test/"

ROWS = {
    "pq": "PQ",
    "pq_things": "PQ, things",
    "pq_stuff": "PQ, stuff",
    "ap": "AP of masks",
    "ap_50": "AP50 of masks",
    "box_ap": "AP of boxes",
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
    "jf_mean": "J&F",
    "j_mean": "J",
    "f_mean": "F",
}
"""Results in the printed table with their titles, in order."""
MORE = {
    r"iou_1click_stuff": "IoU after 1 click, stuff",
    r"iou_1(?!click)(.+)": r"IoU after 1 \1",
    r"referring_([a-z-]+)_ciou": r"Referring cIoU, \1",
    r"k_noc_(\d+)": r"k-NoC@\1 (clicks to all objects of an image)",
}
"""Patterns of further results, which are printed if an evaluation computes them, with their titles."""


class Report(Callback):
    """Prints a table of results, and writes ``metrics.json`` and the page ``report.md`` into the run folder.

    Fractions are 0..1 in the table and in the file. The page has all results, the curves and the worst cases of every
    evaluation, and details of the run.

    Args:
        rows: names of further results to print.
    """

    def __init__(self, rows: Sequence[str] = ()) -> None:
        self.rows = {**ROWS, **{name: name for name in rows}}

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table, and write the file and the page."""
        evaluations = [callback for callback in trainer.callbacks if isinstance(callback, Evaluation)]  # type: ignore[attr-defined]
        worst = {type(evaluation).__name__: _of_all_processes(evaluation.worst) for evaluation in evaluations}
        results = {
            name.removeprefix(STAGE): round(float(value), 6)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(STAGE) and not value.isnan()  # NaN: the data has nothing to measure
        }
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "metrics.json") as path:
            path.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
        curves = {name: value.tolist() for e in evaluations for name, value in e.results.items() if value.ndim == 1}
        page = write_page(folder, trainer, results, curves, worst)
        self._print(results, page)

    def _print(self, results: dict[str, float], page: Path) -> None:
        table = Table("result", "value", title="Test results")
        for name, title in {**self.rows, **_more(results)}.items():
            if name in results:
                digits = 2 if re.search("no[cf]_", name) else 3
                table.add_row(title, f"{results[name]:.{digits}f}")
        if not results:
            table.add_row("no results: the data has nothing to measure", "")
        console = Console()
        console.print(table)
        console.print(f"run folder: {page.parent}", soft_wrap=True)
        console.print(f"report: {page}", soft_wrap=True)


def _more(names: Iterable[str]) -> dict[str, str]:
    """Return the titles of the results that a pattern of `MORE` fits, by name."""
    fitting = [(name, re.fullmatch(pattern, name), title) for name in names for pattern, title in MORE.items()]
    return {name: match.expand(title) for name, match, title in fitting if match}


def _of_all_processes(worst: WorstCases) -> list[Case]:
    """Return the worst cases of all processes."""
    if not torch.distributed.is_initialized():
        return worst.cases
    gathered: list[list[Case]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(gathered, worst.cases)
    return WorstCases(case for cases in gathered for case in cases).cases
