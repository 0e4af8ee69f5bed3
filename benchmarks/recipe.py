"""Run the recipe of a full-size configuration for a few steps, from an X-Decoder checkpoint, and resume it halfway.

    python benchmarks/recipe.py --golden FOLDER --root FOLDER --out FOLDER [--configs seem_davit seem_focal_t]
        [--steps 100] [--side 512] [--precision 32-true]

Each command is one that a user would type. The checkpoint has the names and shapes of X-Decoder's files (those of the
official SEEM model in `--golden`, see `golden.py`, without what X-Decoder lacks, and with ``backbone_proj``) and
synthetic weights. `seemkit convert xdecoder` reads it; `seemkit fit` trains on the panoptic folder `--root` and saves a
checkpoint halfway; a second `seemkit fit` resumes from it. Printed are the mean total loss of the first and last ten
steps, the seconds, and whether the losses and the final weights of both runs are equal bit for bit. A configuration
without names in `--golden` starts from random weights in seemkit's format. A run of less than 20 steps is not resumed;
the loss of each step is printed instead.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

import torch
import yaml
from golden import synthetic

from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture

CONFIGS = Path(__file__).parents[1] / "configs"
GOLDENS = {
    "seem_davit": ("davitd3_unicl_lang_v1", "davit-d3-v1"),
    "seem_davit_d5": ("davitd5_unicl_lang_v1", "davit-d5-v1"),
    "seem_focal_t": ("focalt_unicl_lang_v1", "focal-t-v1"),
    "seem_focal_l": ("focall_unicl_lang_v1", "focal-l-v1"),
    "seem_samvit_b": ("samvitb_unicl_lang_v1", "samvit-b-v1"),
    "seem_samvit_l": ("samvitl_unicl_lang_v1", "samvit-l-v1"),
}
"""The official configuration, and the published model, of each of ours."""
SEEM_ONLY = ("spatial_embed", "spatial_featured", "pn_indicator", "mask_sptial_embed")
"""Words in the official names of weights that X-Decoder lacks."""
LEAST_TO_RESUME = 20


def seemkit(*words: str) -> None:
    """Run a command of seemkit; its output goes to this one's."""
    subprocess.run([sys.executable, "-m", "seemkit", *words], check=True)


def start(config: str, golden: Path, out: Path) -> Path:
    """Write the weights to start from, and return their folder."""
    official, variant = GOLDENS[config]
    keys = golden / f"{official}.keys.json"
    if not keys.is_file():
        print(f"{config}: {keys} is missing; starting from random weights", flush=True)
        model = yaml.safe_load((CONFIGS / f"{config}.yaml").read_text())["model"]
        torch.manual_seed(0)
        SEEM(Architecture.from_dict(model["architecture"]), COCO_PANOPTIC).save(out / "start")
        return out / "start"
    shapes = {name: shape for name, (shape, _) in json.loads(keys.read_text()).items()}
    shared = {name: shape for name, shape in shapes.items() if not any(word in name for word in SEEM_ONLY)}
    shared["sem_seg_head.predictor.backbone_proj"] = [768, 512]
    torch.save({name: synthetic(name, shape) for name, shape in shared.items()}, out / "xdecoder.pt")
    seemkit("convert", "xdecoder", str(out / "xdecoder.pt"), str(out / "start"), "--variant", variant)
    (out / "xdecoder.pt").unlink()
    return out / "start"


def with_checkpoint(config: str, options: argparse.Namespace) -> Path:
    """Write the configuration with a checkpoint halfway, and return its file."""
    content = yaml.safe_load((CONFIGS / f"{config}.yaml").read_text())
    for callback in content["trainer"]["callbacks"]:
        if "every_n_train_steps" in callback.get("init_args", {}):
            callback["init_args"] |= {"every_n_train_steps": max(options.steps // 2, 1), "save_top_k": -1}
    file = options.out / config / "config.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def fit(config: str, run: Path, weights: Path, options: argparse.Namespace, *more: str) -> float:
    """Train, and return the seconds that it took."""
    fixed = {
        "trainer.default_root_dir": run,
        "trainer.max_steps": options.steps,
        "trainer.precision": options.precision,
        "trainer.log_every_n_steps": 1,
        "trainer.limit_val_batches": 0,
        "trainer.limit_test_batches": 0,
        "model.weights": weights,
        "data.root": options.root,
        "data.train_split": options.split,
        "data.val_split": options.split,
        "data.test_split": options.split,
        "data.num_workers": 1,
        "data.jitter.side": options.side,
    }
    words = [word for name, value in fixed.items() for word in (f"--{name}", str(value))]
    began = time.perf_counter()
    seemkit("fit", "--config", str(with_checkpoint(config, options)), *words, *more)
    return time.perf_counter() - began


def losses(run: Path) -> list[float]:
    """Return the total loss of each step."""
    with (run / "logs" / "csv" / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]


def same_weights(one: Path, other: Path) -> bool:
    """Return whether the last checkpoints of two runs have equal weights and averages."""
    first, second = (
        torch.load(run / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=False) for run in (one, other)
    )
    averages = [state["optimizer_states"][0]["state"] for state in (first, second)]
    return all(torch.equal(value, second["state_dict"][name]) for name, value in first["state_dict"].items()) and all(
        torch.equal(value, averages[1][number][name])
        for number, state in averages[0].items()
        for name, value in state.items()
    )


def recipe(config: str, options: argparse.Namespace) -> None:
    """Run one configuration and print its figures."""
    out = options.out / config
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    weights = start(config, options.golden, out)
    whole, resumed = out / "whole", out / "resumed"
    seconds = fit(config, whole, weights, options)
    found = losses(whole)
    print(f"{config}: {len(found)} steps at {options.side} pixels, {seconds:.0f} s with start and end", flush=True)
    if options.steps < LEAST_TO_RESUME:
        print(f"{config}: losses {', '.join(f'{loss:.2f}' for loss in found)}", flush=True)
        return
    first, last = mean(found[:10]), mean(found[-10:])
    print(f"{config}: total loss {first:.2f} -> {last:.2f} ({last / first - 1:+.0%})", flush=True)
    half = options.steps // 2
    shutil.copytree(whole / "logs", resumed / "logs")
    fit(config, resumed, weights, options, "--ckpt_path", str(whole / "checkpoints" / f"step={half}.ckpt"))
    print(f"{config}: resumed at step {half}: losses equal: {losses(resumed) == found}, ", end="", flush=True)
    print(f"final weights and averages equal: {same_weights(whole, resumed)}", flush=True)


def main() -> None:
    """Run the configurations one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True, help="folder in COCO's panoptic layout")
    parser.add_argument("--split", default="val2017")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--configs", nargs="+", default=["seem_davit", "seem_focal_t"], choices=[*GOLDENS])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--precision", default="32-true")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for config in options.configs:
        recipe(config, options)


if __name__ == "__main__":
    main()
