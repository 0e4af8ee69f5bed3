"""Compares seemkit with arrays that the official code computed, configuration by configuration.

    python benchmarks/parity.py --golden DIR [--only CONFIG] [--json OUT]

Weights are synthetic, made by a rule from the official names, and go through seemkit's converter. Every stored array
is compared; one that seemkit does not compute counts as a failure. The exit code is 1 if any array is over its
tolerance.

Attention masks are booleans, so one logit that rounding moves over zero shows in the results of a whole layer. Arrays
that differ too much in float32 are therefore computed again in float64, where the same bound must hold; the table
counts them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden import Golden, configurations, parse_slice
from scenarios import Scenarios

from seemkit.model.seem import SEEM

TOLERANCE = 1e-4
TOLERANCE_SINGLE = 1e-3
"""For arrays whose reference was computed in float32 only."""
INPUTS = ("rand_query_idx", "memory_idx_per_layer", "memory_idx")
"""Stored random choices, which are given to seemkit."""
SINGLE = "samvit"
"""Backbones whose reference was computed in float32 only."""


@dataclass
class Difference:
    """One array compared.

    Attributes:
        worst: largest absolute difference, or number of unequal elements of integers and booleans.
        allowed: what it may be.
        flips: elements of another sign, for mask logits that a decision is made on.
        single: the difference in float32, for an array that had to be computed in float64.
    """

    worst: float
    allowed: float
    flips: int = 0
    single: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the array agrees."""
        return self.worst <= self.allowed


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--golden", type=Path, required=True, help="folder of golden arrays")
    parser.add_argument("--only", help="one configuration")
    parser.add_argument("--json", type=Path, help="write all differences here")
    options = parser.parse_args()
    names = [options.only] if options.only else configurations(options.golden)
    if not names:
        print(f"{options.golden}: no configuration with keys and arrays", file=sys.stderr)
        return 2
    report: dict[str, Any] = {}
    for name in names:
        start = time.time()
        found = compare(Golden(options.golden, name))
        print(f"{name}  ({len(found)} arrays, {time.time() - start:.0f} s)")
        print_groups(found)
        report[name] = {key: asdict(value) | {"passed": value.passed} for key, value in found.items()}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return int(not all(row["passed"] for rows in report.values() for row in rows.values()))


@torch.inference_mode()
def compare(golden: Golden) -> dict[str, Difference]:
    """Every stored array against seemkit's, in float32, and those that differ too much in float64."""
    stored, index = expected(golden), golden.index()
    network = golden.network()
    found = run(golden, network, stored, index, stored.keys())
    again = [name for name, value in found.items() if not value.passed and stored[name].dtype.kind == "f"]
    if again:
        double = run(golden, network.double(), stored, index, again)
        found |= {name: replace(value, single=found[name].worst) for name, value in double.items()}
    return found | {name: Difference(float("inf"), 0.0) for name in stored.keys() - found.keys()}


def expected(golden: Golden) -> dict[str, np.ndarray]:
    """All arrays that seemkit is to compute, by name."""
    found = golden.arrays() | {f"refimg_fixed/{k}": v for k, v in golden.arrays("refimg_fixed").items()}
    for name, array in golden.arrays("interactive").items():
        if name == "mask_iou":
            found |= {f"interactive/mask_iou/{number}": array[:, number] for number in range(array.shape[1])}
        elif name.endswith("prev_mask"):
            found[f"interactive/{name}"] = array
    if golden.architecture.table != "composed":
        found |= golden.shared("text")
    return {k: v for k, v in found.items() if not k.endswith((*INPUTS, "indices0"))}


def run(
    golden: Golden, network: SEEM, stored: dict[str, np.ndarray], index: dict[str, Any], wanted: Collection[str]
) -> dict[str, Difference]:
    """The differences of the wanted arrays that seemkit computes."""
    scale = TOLERANCE_SINGLE if golden.architecture.backbone.startswith(SINGLE) else TOLERANCE
    found = {}
    for name, compute in Scenarios(golden, network).run(wanted):
        if name in wanted and name not in found:
            entry = index.get(name) or {}
            cut = parse_slice(entry.get("slice")) if isinstance(entry, dict) else ()
            found[name] = difference(name, compute()[cut].cpu().numpy(), stored, scale, cut)
    return found


def difference(
    name: str, ours: np.ndarray, stored: dict[str, np.ndarray], scale: float, cut: tuple[slice, ...] = ()
) -> Difference:
    """How far an array, of which `cut` was taken, is from the stored one; what pads texts or prompts has no meaning."""
    theirs = stored[name]
    if name.startswith("text/") and name.endswith(("_ids", "_token_emb")):
        length = min(ours.shape[1], theirs.shape[1])  # seemkit cuts the padding
        keep = stored[name.replace("_ids", "_attn").replace("_token_emb", "_attn")][:, :length].astype(bool)
        ours, theirs = ours[:, :length][keep], theirs[:, :length][keep]
    elif "src_spatial_queries" in name:
        keep = ~stored[name.replace("queries", "maskings")].T[cut[0] if cut else slice(None)]
        ours, theirs = ours[keep], theirs[keep]
    if ours.shape != theirs.shape:
        return Difference(float("inf"), 0.0)
    if theirs.dtype.kind in "bi":
        return Difference(float((ours != theirs).sum()), 0.0)
    worst = float(np.abs(ours.astype(np.float64) - theirs).max()) if theirs.size else 0.0
    decides = name.endswith("prev_mask") or "/mask" in name
    return Difference(
        worst if np.isfinite(worst) else float("inf"),
        scale * (1 + float(np.abs(theirs).max())),
        int(((ours > 0) != (theirs > 0)).sum()) if decides else 0,
    )


def print_groups(found: dict[str, Difference]) -> None:
    """One line for each group of arrays: its worst one."""
    groups: dict[str, dict[str, Difference]] = defaultdict(dict)
    for name, value in found.items():
        groups[name.partition("/")[0]][name] = value
    for group, rows in groups.items():
        name, worst = max(rows.items(), key=lambda row: row[1].worst / (row[1].allowed or 1e-30))
        failed = sum(not row.passed for row in rows.values())
        flips = sum(row.flips for row in rows.values())
        double = sum(row.single is not None for row in rows.values())
        verdict = "ok" if not failed else f"{failed} OVER TOLERANCE"
        verdict += f" ({double} in float64)" if double else ""
        print(
            f"  {group:<20} {len(rows):>3} arrays  worst {worst.worst:.1e} of {worst.allowed:.1e} ({name})"
            f"  flips {flips}  {verdict}"
        )


if __name__ == "__main__":
    sys.exit(main())
