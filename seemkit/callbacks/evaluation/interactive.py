"""Interactive segmentation: the number of clicks until a mask is good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import MeanMetric

from seemkit.callbacks.evaluation.base import Evaluation, about, check_finite
from seemkit.callbacks.evaluation.first_prompts import first_prompts
from seemkit.callbacks.evaluation.worst_cases import CLICKS_KEY, found_and_true
from seemkit.errors import InputError
from seemkit.inference.drawing import draw_prompts
from seemkit.interactive.clicker import center_click, next_clicks, official_clicks
from seemkit.interactive.rollout import ClickRule, Rollout
from seemkit.interactive.zoom import RoundPlayer
from seemkit.metrics.interactive import InteractiveIoU, number_of_clicks
from seemkit.nn.context import ImageContext
from seemkit.prompts.registry import installed
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Prompt
from seemkit.training.module import SeemModule
from seemkit.types import Batch, Target

GOOD_ENOUGH = 0.9
"""An image gets no more rounds once all its objects exceed this IoU; their last IoU counts for the remaining rounds.

Source: the protocol of the reference."""
LEAST_CLICKS = 5
"""With RITM's rule, which knows no such end, every image gets at least this many, so that the IoU after 5 is exact."""

RULES: dict[str, ClickRule] = {"exact": next_clicks, "official": official_clicks}


class InteractiveEvaluation(Evaluation):
    """Number of clicks (NoC, K-NoC), failures and IoU after each click, for the things of each image.

    All things of an image are segmented in one call, and each gets a click per round. The first click is on the pixel
    farthest from the object's border; later clicks follow the rule. Pixels that the target ignores are not scored.

    Args:
        clicks: maximum number of clicks per object; an object that never reaches an IoU counts as this many.
        rule: position of later clicks: ``exact`` is the deepest error (RITM), ``official`` is the click of the
            official SEEM evaluation, see `seemkit.interactive.clicker.official_click`.
        starts: prompt kinds, for example ``scribble`` or ``box``; for each, the IoU after a single first prompt of
            this kind is also reported, as ``iou_1<kind>``.
        stuff: whether stuff is clicked once too; its mean IoU is reported as ``iou_1click_stuff``.
        zoom: whether to zoom in on objects as a session does, if the network's architecture has a `zoom_side`.
        mirrored: whether to average each mask with that of the mirrored image, as RITM does (`Session`).

    Raises:
        InputError: the rule is unknown, or a kind is not installed.
    """

    def __init__(
        self,
        clicks: int = 20,
        rule: Literal["exact", "official"] = "exact",
        starts: Sequence[str] = (),
        stuff: bool = False,
        zoom: bool = True,
        mirrored: bool = False,
    ) -> None:
        if rule not in RULES:
            raise InputError(f"InteractiveEvaluation.rule is {rule!r}; use one of {', '.join(RULES)}")
        for kind in starts:
            installed().require(kind)
        self.clicks, self.rule, self.starts = clicks, RULES[rule], tuple(starts)
        self.least = LEAST_CLICKS if rule == "exact" else 1
        self.stuff, self.zoom, self.mirrored = stuff, zoom, mirrored

    def start(self, module: SeemModule) -> None:
        """Start fresh metrics."""
        self._iou = InteractiveIoU(self.clicks).to(module.device)
        names = [*(f"iou_1{kind}" for kind in self.starts), *(["iou_1click_stuff"] if self.stuff else [])]
        self._first = {name: MeanMetric().set_dtype(torch.float64).to(module.device) for name in names}

    def update(self, module: SeemModule, context: ImageContext, batch: Batch) -> None:
        """Segment the things of every image, click by click, and what is asked for once."""
        things = torch.tensor(module.vocabulary.things, device=module.device)
        rows = [_promptable(target, things) for target in batch.targets]
        if any(rows):
            self._click_things(module, context, batch, rows)
        for kind in self.starts:
            given = [
                [first_prompts(module, kind, target, row) for row in chosen]
                for target, chosen in zip(batch.targets, rows, strict=True)
            ]
            self._ask_once(f"iou_1{kind}", module, context, batch, rows, given)
        if self.stuff:
            rows = [_promptable(target, ~things) for target in batch.targets]
            clicks = [
                [[center_click(target.masks[row])] for row in chosen]
                for target, chosen in zip(batch.targets, rows, strict=True)
            ]
            self._ask_once("iou_1click_stuff", module, context, batch, rows, clicks)

    def compute(self) -> Mapping[str, Tensor]:
        """Return ``noc_85``, ``k_noc_85``, ``nof_85``, ``iou_1click`` and so on, ``iou_1<kind>``, and ``iou_curve``."""
        return {**self._iou.compute(), **{name: metric.compute() for name, metric in self._first.items()}}

    def _click_things(
        self, module: SeemModule, context: ImageContext, batch: Batch, rows: Sequence[Sequence[int]]
    ) -> None:
        """Segment the objects of every image, click by click."""
        masks = [target.masks[chosen] for target, chosen in zip(batch.targets, rows, strict=True)]
        clicks: list[list[list[Prompt]]] = [[[center_click(mask)] for mask in image] for image in masks]
        ignored = [target.ignored for target in batch.targets]
        players = self._players(module, context, batch)
        rollout = Rollout(module.network, context, masks, clicks, rule=self.rule, ignored=ignored, players=players)
        for ious, found, pixels, target, truth, given in zip(
            *self._click(rollout, batch), batch.images, batch.targets, masks, rollout.prompts, strict=True
        ):
            self._iou.update(ious)
            said = [prompts[: self.clicks] for prompts in given]
            self._note_worst(target.name, ious, partial(_picture, pixels, found, truth, said, module.network.sampler))

    def _click(self, rollout: Rollout, batch: Batch) -> tuple[list[Float[Tensor, "P R"]], list[Bool[Tensor, "P H W"]]]:
        """Return for each image the IoU of every object after each round, and the last masks."""
        curves: list[list[Tensor]] = [[] for _ in batch.targets]
        found: list[Tensor] = [torch.empty(0)] * len(curves)
        done: set[int] = set()
        for count in range(1, self.clicks + 1):
            answer = _checked(rollout.predict(), batch)
            for image, curve in enumerate(curves):
                if image in done:
                    curve.append(curve[-1])
                    continue
                found[image] = answer[image] > 0
                curve.append(_iou(found[image], rollout.masks[image], rollout.ignored[image]))
                if count >= self.least and bool((curve[-1] > GOOD_ENOUGH).all()):
                    done.add(image)
            if len(done) == len(curves):
                break
            rollout.correct(answer, done)
        return [torch.stack(curve + curve[-1:] * (self.clicks - len(curve)), dim=1) for curve in curves], found

    def _ask_once(
        self,
        name: str,
        module: SeemModule,
        context: ImageContext,
        batch: Batch,
        rows: Sequence[Sequence[int]],
        prompts: Sequence[Sequence[Sequence[Prompt]]],
    ) -> None:
        """Add the IoU of every object after one round to a metric; objects without prompts are skipped."""
        masks = [target.masks[chosen] for target, chosen in zip(batch.targets, rows, strict=True)]
        if not any(given for image in prompts for given in image):
            return
        rollout = Rollout(module.network, context, masks, prompts, players=self._players(module, context, batch))
        answer = _checked(rollout.predict(), batch)
        for logits, truth, given, target in zip(answer, masks, prompts, batch.targets, strict=True):
            prompted = torch.tensor([bool(p) for p in given], dtype=torch.bool, device=truth.device)
            self._first[name].update(_iou(logits > 0, truth[prompted], target.ignored))

    def _players(self, module: SeemModule, context: ImageContext, batch: Batch) -> list[RoundPlayer]:
        """Return what plays the rounds of each image in several views; nothing if one view is enough."""
        zoom = self.zoom and module.network.architecture.zoom_side > 0
        if not (zoom or self.mirrored):
            return []
        return [
            RoundPlayer(module.network, context.repeat(index, 1), pixels, zoom=zoom, mirrored=self.mirrored)
            for index, pixels in enumerate(batch.images)
        ]

    def _note_worst(self, image: str, ious: Float[Tensor, "P R"], draw: Callable[[int], Tensor]) -> None:
        """Record the object of an image that needs the most clicks, if it is among the worst of all."""
        if not len(ious):
            return
        clicks = number_of_clicks(ious, 0.85, self.clicks)
        row = int(torch.where(clicks == clicks.max(), ious[:, -1], torch.inf).argmin())
        text = f"object {row + 1}: {int(clicks[row])} clicks to an IoU of 0.85, final IoU {ious[row, -1]:.3f}"
        self.worst.add(-float(clicks[row]) + float(ious[row, -1]), image, text, lambda: draw(row), CLICKS_KEY)


def _picture(
    pixels: Tensor,
    found: Bool[Tensor, "P H W"],
    truth: Bool[Tensor, "P H W"],
    given: Sequence[Sequence[Prompt]],
    sampler: VisualSampler,
    row: int,
) -> Tensor:
    """Return a picture of an object with its prompts, uint8 [3, H, W]."""
    return draw_prompts(found_and_true(pixels, found[row], truth[row]), given[row], sampler)


def _promptable(target: Target, things: Tensor) -> list[int]:
    """Return the rows of a target to segment: things with at least one pixel that are not crowds.

    Args:
        target: target of the image.
        things: bool [K], whether each class is a thing.
    """
    return (things[target.labels] & ~target.crowd & target.masks.flatten(1).any(dim=1)).nonzero()[:, 0].tolist()


def _checked(answer: Sequence[Tensor], batch: Batch) -> Sequence[Tensor]:
    """Return the answer; raise InputError unless all its numbers are finite."""
    for logits, target in zip(answer, batch.targets, strict=True):
        with about(target.name):
            check_finite(logits)
    return answer


def _iou(
    found: Bool[Tensor, "P H W"], truth: Bool[Tensor, "P H W"], ignored: Bool[Tensor, "H W"] | None
) -> Float[Tensor, " P"]:
    """Return the IoU of each pair of masks, without ignored pixels."""
    truth = truth.to(found.device)
    if ignored is not None:
        judged = ~ignored.to(found.device)
        found, truth = found & judged, truth & judged
    counts = torch.stack([part.flatten(1).sum(dim=1) for part in (found & truth, found | truth)]).cpu()
    return counts[0].double() / counts[1].clamp(min=1)
