"""Print where the time of a training step goes: network, clicks, prompts, losses, and the rest.

    python benchmarks/step_shares.py [--steps 12] --config configs/seem_tiny.yaml --data.images_train 64 ...

All words but `--steps` are those of `seemkit fit`. The run ends after the steps; the first two are not counted. Times
are exclusive: a click that asks the network counts there. Batches are read before a step begins and are not counted.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from seemkit.cli.main import main as seemkit
from seemkit.interactive.rollout import Rollout
from seemkit.model.seem import SEEM
from seemkit.nn.language import LanguageTower
from seemkit.training import module, objective
from seemkit.training.set_criterion import SetCriterion

WARM_UP = 2
REST = "rest: hooks and callbacks"


class Shares:
    """Seconds by part, over the steps that are counted."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.seconds: dict[str, float] = defaultdict(float)
        self.parts: list[str] = []
        self.since = 0.0
        self.done = 0

    def enter(self, part: str) -> None:
        """Begin a part inside the current one."""
        self._count()
        self.parts.append(part)

    def leave(self) -> None:
        """End the current part."""
        self._count()
        self.parts.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self.parts and self.done >= WARM_UP:
            self.seconds[self.parts[-1]] += now - self.since
        self.since = now

    def watch(self, owner: object, name: str, part: str) -> None:
        """Count a function as a part; parts outside a step are not counted."""
        original: Callable[..., Any] = getattr(owner, name)

        @wraps(original)
        def watched(*given: object, **named: object) -> object:
            if not self.parts:
                return original(*given, **named)
            self.enter(part)
            try:
                return original(*given, **named)
            finally:
                self.leave()

        setattr(owner, name, watched)

    def around_steps(self, owner: type[module.SeemModule]) -> None:
        """Count between the hooks of a step."""
        start, stop = owner.on_train_batch_start, owner.on_train_batch_end

        def begin(model: module.SeemModule, *given: object) -> None:
            self.enter(REST)
            start(model, *given)

        def end(model: module.SeemModule, *given: object) -> None:
            stop(model, *given)
            self.leave()
            self.count_step()

        owner.on_train_batch_start, owner.on_train_batch_end = begin, end

    def count_step(self) -> None:
        """End the run after the last step."""
        self.done += 1
        if self.done == WARM_UP + self.steps:
            self.show()
            os._exit(0)

    def show(self) -> None:
        """Print the table."""
        total = sum(self.seconds.values())
        print(f"\n{total / self.steps:.3f} s a step, {torch.get_num_threads()} threads", flush=True)
        for part, seconds in sorted(self.seconds.items(), key=lambda pair: -pair[1]):
            print(f"{part:48s}{seconds / self.steps * 1e3:7.0f} ms {100 * seconds / total:5.1f} %", flush=True)


def main() -> None:
    """Run the steps."""
    words = sys.argv[1:]
    steps = 12
    if "--steps" in words:
        at = words.index("--steps")
        steps = int(words[at + 1])
        del words[at : at + 2]
    shares = Shares(steps)
    for owner, name, part in (
        (SEEM, "encode_image", "network: encoder"),
        (SEEM, "decode", "network: decoder"),
        (LanguageTower, "embed_classes_once", "network: class names"),
        (torch.Tensor, "backward", "network and losses: backward"),
        (torch.optim.AdamW, "step", "optimizer"),
        (module.SeemModule, "training_step", "rest of the step: padding of targets, logging"),
        (objective.Objective, "_align", "losses: region-text guide"),
        (SetCriterion, "__call__", "losses with matching"),
        (Rollout, "correct", "clicks"),
        (Rollout, "predict", "clicks: masks at the size of the image"),
        (objective, "sample_prompts", "first prompts"),
    ):
        shares.watch(owner, name, part)
    shares.around_steps(module.SeemModule)
    sys.exit(seemkit(["fit", *words]))


if __name__ == "__main__":
    main()
