"""A page about a test: the table of the official README, details of the run, all results, curves and worst cases."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.callbacks import WeightAveraging
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL.Image import Resampling

import seemkit
from seemkit.callbacks.evaluation.base import seem
from seemkit.callbacks.evaluation.worst_cases import Case
from seemkit.inference.drawing import to_pil
from seemkit.io.atomic import replacing

COLUMNS = {
    "PQ": "pq",
    "mAP": "ap",
    "mIoU": "miou",
    "cIoU": "referring_ciou",
    "mIoU (phrases)": "referring_miou",
    "AP50 (phrases)": "referring_p50",
    "NoC85": "noc_85",
    "NoC90": "noc_90",
    "J&F": "jf_mean",
}
"""Columns of the official README's table, each with the name of its result."""

PACKAGES = ("torch", "lightning", "torchmetrics", "faster-coco-eval", "timm", "open-clip-torch", "numpy")
PICTURES = "report"
LEAST = 256
"""Smaller pictures are enlarged by the largest whole factor that keeps their shorter side within this many pixels."""


def write_page(
    folder: Path,
    trainer: Trainer,
    results: Mapping[str, float],
    curves: Mapping[str, Sequence[float]],
    worst: Mapping[str, Sequence[Case]],
) -> Path:
    """Write ``report.md`` into the run folder, with its pictures in ``report/``, and return its path.

    Args:
        folder: run folder.
        trainer: trainer after its test.
        results: results by name, fractions 0..1 or numbers of clicks.
        curves: values after 1, 2, 3, ... clicks, by name.
        worst: worst cases by name of the evaluation.
    """
    (folder / PICTURES).mkdir(exist_ok=True)
    for picture in (folder / PICTURES).glob("*.png"):  # of an earlier test
        picture.unlink()
    lines = ["# Test report", "", *_summary(trainer, results), "", "## Run", "", *_run(trainer), ""]
    lines += ["## All results", "", "Fractions are 0..1; NoC counts clicks.", "", "| result | value |", "|---|---|"]
    lines += [f"| {name} | {value:.6g} |" for name, value in sorted(results.items())]
    if curves:
        lines += ["", "## Curves", ""]
        lines += [f"![{name}]({_draw_curve(folder, name, values)})" for name, values in curves.items()]
    for evaluation, cases in worst.items():
        if cases:
            lines += ["", f"## Worst cases of {evaluation}", "", cases[0].key, ""]
            lines += _pictures(folder, evaluation, cases)
    page = folder / "report.md"
    with replacing(page) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def _summary(trainer: Trainer, results: Mapping[str, float]) -> Iterator[str]:
    """Yield the lines of the table in the format of the official README: fractions in percent, NoC in clicks."""
    shown = {title: name for title, name in COLUMNS.items() if name in results}
    shown |= {f"1-IoU {name[5:]}": name for name in results if name.startswith("iou_1")}
    module = seem(trainer.lightning_module)
    cells = [
        f"{results[name]:.2f}" if name.startswith("noc") else f"{100 * results[name]:.1f}" for name in shown.values()
    ]
    yield f"| Weights | Backbone | {' | '.join(shown)} |"
    yield "|---" * (len(shown) + 2) + "|"
    yield f"| {_weights(trainer)} | {module.network.architecture.backbone} | {' | '.join(cells)} |"


def _run(trainer: Trainer) -> Iterator[str]:
    """Yield the lines with the information needed to repeat the run."""
    counts = trainer.num_test_batches
    yield f"- command: `{shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`"
    yield f"- weights: {_weights(trainer)}"
    yield f"- data: {_data(trainer)}"
    yield f"- batches of this process: {sum(int(count) for count in counts)}"
    yield f"- processes: {trainer.world_size}, on {trainer.strategy.root_device}, precision {trainer.precision}"
    yield f"- seed: {seem(trainer.lightning_module).seed}"
    yield f"- seemkit {seemkit.__version__}, commit {_commit()}"
    yield f"- Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in PACKAGES)}"
    yield f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _data(trainer: Trainer) -> str:
    """Return the class of the data module and its identifying settings."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    known = {name: getattr(data, name, None) for name in ("name", "root", "release", "year", "split", "test_split")}
    said = [f"{name} {value}" for name, value in known.items() if value is not None]
    return ", ".join([type(data).__name__, *said])


def _weights(trainer: Trainer) -> str:
    """Return which weights were tested: a checkpoint, those of the end of this run, or those that it started from."""
    if trainer.ckpt_path is None and trainer.global_step:
        averaged = any(isinstance(callback, WeightAveraging) for callback in trainer.callbacks)  # type: ignore[attr-defined]
        return f"the last of this run, after step {trainer.global_step}{', running average' if averaged else ''}"
    found = trainer.ckpt_path or seem(trainer.lightning_module).weights
    return "untrained" if found is None else str(found)


def _commit() -> str:
    """Return the commit of the running source and a note of uncommitted changes, or why no commit is known."""
    source = Path(seemkit.__file__).parents[1]
    if not (source / ".git").exists():
        return "none (installed package)"
    asked = [["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]]
    try:
        said = [
            subprocess.run(["git", "-C", source, *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in asked
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown (git failed)"
    return said[0] + (" with uncommitted changes" if said[1] else "")


def _draw_curve(folder: Path, name: str, values: Sequence[float]) -> str:
    """Draw a curve, and return the path of its picture relative to the page."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="clicks", ylabel=name.replace("_", " "))
    axes.plot(range(1, len(values) + 1), values, marker="o")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    place = f"{PICTURES}/{name}.png"
    with replacing(folder / place) as path:
        figure.savefig(path, format="png", dpi=120)
    return place


def _pictures(folder: Path, evaluation: str, cases: Sequence[Case]) -> Iterator[str]:
    """Write the pictures of the cases, and yield the lines of the page that show them."""
    for number, case in enumerate(cases, start=1):
        image = re.sub(r"\W+", "-", Path(case.image).stem)
        place = f"{PICTURES}/{evaluation}-{number}-{image}.png"
        picture = to_pil(case.picture)
        size = [side * max(1, LEAST // min(picture.size)) for side in picture.size]
        with replacing(folder / place) as path:
            picture.resize(size, Resampling.NEAREST).save(path, format="PNG")
        yield f"**{case.image}**: {case.text}\n\n![{case.image}]({place})\n"
