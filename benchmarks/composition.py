"""Measure whether more prompts give better masks: mean IoU of each mix of prompts on held-out scenes.

    python benchmarks/composition.py --model runs/seem_tiny --json OUT [--scenes N] [--seed S]

By default, the scenes are those of the test split, which was not used for training or model selection. Each object is
prompted with every mix that is possible for it. A row is the mean over objects, with a 95 % interval from resampling
scenes. Comparisons are paired, over the same objects.

An *ambiguous text* is a class name that fits several things of the scene. A *click* is on the pixel of the object that
is farthest from its border. A *careless click* is on a random pixel of the object.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seemkit import SEEM, Point, Prompt, RegionOf, Session, Text
from seemkit.data.scenes.scene import Scene, make_scene
from seemkit.data.scenes.things import Thing
from seemkit.interactive.clicker import center_click
from seemkit.plugin import Subject

Mixes = dict[str, list[Prompt]]
"""Prompts for an object, by the name of the mix."""

SCENE_SEED, LEAST_AREA, MOST_CLICKS, RESAMPLES = 0, 10, 5, 2000
COMPARISONS = {
    "text + click >= text": ("text + click", ("text",), 0.0),
    "text + click >= click": ("text + click", ("click",), 0.0),
    "3 clicks >= 1 click": ("3 clicks", ("click",), 0.0),
    "ambiguous text + click >= either + 0.05": ("ambiguous text + click", ("ambiguous text", "click"), 0.05),
    "ambiguous text + careless click >= either + 0.05": (
        "ambiguous text + careless click",
        ("ambiguous text", "careless click"),
        0.05,
    ),
}
"""By name: a mix, the mixes that it is compared with, and the minimum difference in IoU."""


class Asking:
    """Predicts the objects of scenes with all mixes of prompts.

    Args:
        network: the network that predicts.
        seed: seed of the simulated prompts.
    """

    def __init__(self, network: SEEM, seed: int) -> None:
        self.network = network
        self.generator = torch.Generator().manual_seed(seed)

    def scene(self, scene: Scene) -> Iterator[tuple[int, str, float]]:
        """Yield object, mix and IoU of all predictions for a scene."""
        session = Session(self.network, torch.from_numpy(scene.image).permute(2, 0, 1).contiguous())
        masks = {thing.id: torch.from_numpy(scene.ids == thing.id) for thing in scene.things}
        for thing in scene.things:
            if int(masks[thing.id].sum()) < LEAST_AREA:
                continue
            for mix, prompts in self._mixes(scene, thing, masks, session).items():
                yield thing.id, mix, iou(session.predict(*prompts).mask, masks[thing.id])
            clicks = [iou(found.mask, masks[thing.id]) for found, _ in session.simulate(masks[thing.id], MOST_CLICKS)]
            yield from ((thing.id, f"{n} clicks", clicks[n - 1]) for n in (3, MOST_CLICKS))

    def _mixes(self, scene: Scene, thing: Thing, masks: dict[int, Tensor], session: Session) -> Mixes:
        mask = masks[thing.id]
        subject, click, careless = Subject(mask), center_click(mask), self._careless(mask)
        start = {
            kind: list(self.network.sampler.kind(kind).start(subject, self.generator))
            for kind in ("box", "scribble", "circle", "polygon", "mask")
        }
        others = [masks[other.id] for other in scene.things if other is not thing]
        beside = [replace(center_click(other), positive=False) for other in others[:1] if bool(other.any())]
        mixes: Mixes = {"click": [click], "careless click": [careless]}
        mixes |= {kind: prompts for kind, prompts in start.items() if prompts}
        mixes["box + click"] = [*start["box"], click]
        if start["scribble"] and beside:
            mixes["box + scribble + negative click"] = [*start["box"], *start["scribble"], *beside]
        phrases = [expression.text for expression in scene.expressions if expression.id == thing.id]
        if phrases:
            text = Text(phrases[int(torch.randint(len(phrases), (1,), generator=self.generator))])
            mixes |= {"text": [text], "text + click": [text, click], "text + careless click": [text, careless]}
            mixes["text + box"] = [text, *start["box"]]
            mixes["text + referred region"] = [text, RegionOf(session.context, tuple(start["mask"]))]
        if sum(other.shape == thing.shape for other in scene.things) > 1:
            name = Text(thing.shape)
            mixes |= {"ambiguous text": [name], "ambiguous text + click": [name, click]}
            mixes["ambiguous text + careless click"] = [name, careless]
        return mixes

    def _careless(self, mask: Tensor) -> Point:
        pixels = mask.nonzero()
        row, column = pixels[int(torch.randint(len(pixels), (1,), generator=self.generator))].tolist()
        return Point(column + 0.5, row + 0.5)


def iou(found: Tensor, truth: Tensor) -> float:
    """Return the intersection over union of two boolean masks."""
    return int((found & truth).sum()) / max(1, int((found | truth).sum()))


class Table:
    """IoU by scene, object and mix.

    Args:
        seed: seed of the resampling.
    """

    def __init__(self, seed: int) -> None:
        self.found: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
        self.seed = seed

    def rows(self) -> list[dict[str, Any]]:
        """Return mean, interval and number of objects of each mix."""
        mixes = dict.fromkeys(mix for values in self.found.values() for mix in values)
        return [
            {"mix": mix, **self._estimate({key: v[mix] for key, v in self.found.items() if mix in v})} for mix in mixes
        ]

    def comparisons(self) -> list[dict[str, Any]]:
        """Return, for each comparison, the paired difference to the best other mix and whether it is large enough."""
        rows = []
        for name, (mix, others, wanted) in COMPARISONS.items():
            common = {key: v for key, v in self.found.items() if {mix, *others} <= v.keys()}
            if not common:
                continue
            best = max(others, key=lambda other: float(np.mean([v[other] for v in common.values()])))
            estimate = self._estimate({key: v[mix] - v[best] for key, v in common.items()})
            rows.append({"comparison": name, "over": best, "wanted": wanted, **estimate})
            rows[-1]["holds"] = rows[-1]["mean"] >= wanted
        return rows

    def _estimate(self, values: dict[tuple[int, int], float]) -> dict[str, Any]:
        """Return the mean, the 95 % interval over resampled scenes, and the number of objects."""
        scenes: dict[int, list[float]] = defaultdict(list)
        for (scene, _), value in values.items():
            scenes[scene].append(value)
        sums = np.array([[sum(v), len(v)] for v in scenes.values()])
        rng = np.random.default_rng(self.seed)
        drawn = sums[rng.integers(len(sums), size=(RESAMPLES, len(sums)))].sum(axis=1)
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
        return {"mean": float(sums[:, 0].sum() / sums[:, 1].sum()), "low": low, "high": high, "objects": len(values)}


def main() -> None:
    """Print the table and write it to the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="runs/seem_tiny", help="model, as for SEEM.from_pretrained")
    parser.add_argument("--json", type=Path, help="output file")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    asking, table = Asking(SEEM.from_pretrained(options.model), options.seed), Table(options.seed)
    for index in range(options.scenes):
        for thing, mix, value in asking.scene(make_scene(SCENE_SEED, options.split, index)):
            table.found[index, thing][mix] = value
    rows, comparisons = table.rows(), table.comparisons()
    print(f"{options.scenes} scenes of split {options.split!r}, model {options.model}\n")
    for row in rows:
        print(f"{row['mix']:34}{row['mean']:.3f}  [{row['low']:.3f}, {row['high']:.3f}]  {row['objects']} objects")
    print()
    for row in comparisons:
        said = "holds" if row["holds"] else "DOES NOT HOLD"
        interval = f"{row['mean']:+.3f}  [{row['low']:+.3f}, {row['high']:+.3f}]"
        print(f"{row['comparison']:50}{interval}  over {row['over']}: {said}")
    if options.json:
        options.json.write_text(
            json.dumps({"model": options.model, "rows": rows, "comparisons": comparisons}, indent=2)
        )


if __name__ == "__main__":
    main()
