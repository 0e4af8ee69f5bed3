"""Cuts the official subset out of all official arrays: ``python -m tests.parity.write_official_subset FOLDER``.

FOLDER is in the golden format of `benchmarks/golden.py`. Nothing is computed: every number is copied.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SUBSET = Path(__file__).parent / "official"
CONFIG = "focalt_unicl_lang_v1"
WHOLE_FILES = (
    f"{CONFIG}.keys.json",
    f"{CONFIG}.interactive.golden.npz",
    f"{CONFIG}.refimg_fixed.golden.npz",
    "bezier.golden.npz",
    "click.golden.npz",
    "loss.golden.json",
    "loss.golden.npz",
    "params.json",
    "postproc.golden.json",
    "weights_check.json",
)
WHOLE_ARRAYS = ("spatial_pos/prev_mask",)
"""What later scenarios read."""
MOST = 4500
"""Numbers that a thinned array has at most."""
TOKENS = 8
"""Longest text, in word pieces; the rest is padding."""
IMAGES = 2
"""Resized maps that are kept."""


def main() -> None:
    """Write the subset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of all official arrays")
    parser.add_argument("--to", type=Path, default=SUBSET, help="folder of the subset")
    options = parser.parse_args()
    options.to.mkdir(exist_ok=True)
    for name in WHOLE_FILES:
        shutil.copyfile(options.source / name, options.to / name)
    write_statistics(options.source, options.to)
    write_inputs(options.source, options.to)
    write_resized(options.source, options.to)
    write_arrays(options.source, options.to)


def write_statistics(source: Path, to: Path) -> None:
    """The numbers of the simulated prompts, without the words about their mask."""
    facts = json.loads((source / "sampler_stats.json").read_text())
    facts.pop("mask")
    (to / "sampler_stats.json").write_text(json.dumps(facts, indent=1) + "\n")


def write_inputs(source: Path, to: Path) -> None:
    """The prompts, and a sample of the image, which its formula gives to the bit."""
    from golden import synthetic_image

    arrays = load(source / "input.golden.npz")
    image = arrays.pop("image")
    if not np.array_equal(synthetic_image(*image.shape[2:]).numpy(), image):
        raise SystemExit(f"{source / 'input.golden.npz'}: the image does not follow its formula; store it whole")
    save(to / "input.golden.npz", arrays | {"image_sample": image[..., ::16, ::16]})


def write_resized(source: Path, to: Path) -> None:
    """The arrays of the post-processing, and the resized masks of a few queries."""
    arrays = load(source / "postproc.golden.npz")
    cut = {name: array[:IMAGES] for name, array in arrays.items() if name.startswith(("up", "down"))}
    save(to / "postproc.golden.npz", arrays | cut)


def write_arrays(source: Path, to: Path) -> None:
    """The arrays of the last layer, thinned, and the texts without their padding, with the slices of both."""
    from golden import parse_slice

    known = json.loads((source / f"{CONFIG}.golden.index.json").read_text())
    arrays, texts, slices = {}, {}, {}
    for name, array in load(source / f"{CONFIG}.golden.npz").items():
        if "/aux" in name:
            continue  # the last layer depends on all before
        whole = array.dtype.kind != "f" or name in WHOLE_ARRAYS
        steps = [1] * array.ndim if whole else steps_of(array.shape)
        arrays[name] = array[tuple(slice(None, None, step) for step in steps)]
        before = [part.step or 1 for part in parse_slice(known[name]["slice"])]
        before += [1] * (array.ndim - len(before))
        slices[name] = tuple(slice(None, None, a * b) for a, b in zip(before, steps, strict=True))
    for name, array in load(source / "text.golden.npz").items():
        slices[name] = (slice(None), slice(TOKENS if name.endswith(("_ids", "_attn", "_token_emb")) else None))
        texts[name] = array[slices[name]]
    save(to / f"{CONFIG}.golden.npz", arrays)
    save(to / "text.golden.npz", texts)
    index = {name: {"slice": str(cut)} for name, cut in slices.items()}
    (to / f"{CONFIG}.golden.index.json").write_text(json.dumps(index, indent=0) + "\n")


def steps_of(shape: Sequence[int]) -> list[int]:
    """Steps along the axes that leave at most `MOST` numbers: the longest axis is halved, again and again."""
    steps = [1] * len(shape)
    while math.prod(left := [-(-size // step) for size, step in zip(shape, steps, strict=True)]) > MOST:
        steps[left.index(max(left))] *= 2
    return steps


def load(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file."""
    with np.load(path) as file:
        return dict(file)


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays, compressed."""
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "benchmarks"))
    main()
