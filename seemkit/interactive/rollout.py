"""The one interactive loop: answer, compare with the truth, click where it is most wrong, answer again.

Training uses it without gradient before its step, evaluation of clicks uses it to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seemkit.interactive.clicker import Click, next_click
from seemkit.model.outputs import Draws
from seemkit.model.query_selection import SelectedQueries
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.postprocess.resize import restore
from seemkit.prompts.values import Point, Prompt

ClickRule = Callable[[Tensor, Tensor, Tensor | None, Sequence[Click]], Click | None]
"""Where a user clicks, given the found and the true mask, the pixels that are not judged, and earlier clicks."""


class Rollout:
    """Objects of B images that a simulated user segments together, round by round.

    Args:
        network: answers.
        context: the encoded images.
        masks: for each image bool [P, H, W], the objects at the size in which prompts are given.
        prompts: for each image and object the first prompts, at least one of which is visual; none for an object that
            is left out.
        draws: random choices of the reference, to be the same in all rounds.
        rule: where the user clicks.
        ignored: for each image the pixels that are neither object nor background, bool [H, W].

    Attributes:
        prompts: all prompts so far.
        found: the last answer; None before the first.
        previous: [B, P, H_m, W_m], its mask logits.
    """

    def __init__(
        self,
        network: SEEM,
        context: ImageContext,
        masks: Sequence[Tensor],
        prompts: Sequence[Sequence[Sequence[Prompt]]],
        draws: Draws | None = None,
        rule: ClickRule = next_click,
        ignored: Sequence[Tensor | None] | None = None,
    ) -> None:
        self.network = network
        self.context = context
        self.masks = [mask.cpu() for mask in masks]
        self.prompts = [[list(described) for described in image] for image in prompts]
        self.draws = draws
        self.rule = rule
        self.ignored = [None if rows is None else rows.cpu() for rows in ignored or [None] * len(masks)]
        self.found: SelectedQueries | None = None
        self.previous: Tensor | None = None
        self._clicks = [[[_click(p) for p in given if isinstance(p, Point)] for given in image] for image in prompts]

    @torch.no_grad()
    def predict(self) -> list[Float[Tensor, "P H W"]]:
        """The mask logits of every prompted object at the size in which prompts are given, one tensor an image.

        Objects without prompts have no row.
        """
        decoded = self.network.decode(self.context, self.prompts, previous=self.previous, draws=self.draws)
        self.found = self.network.select(decoded)
        masks = self.previous = self.found.masks()
        return [
            restore(logits[owner >= 0], self.context.padded, size, frame, mode="bilinear")
            for logits, owner, size, frame in zip(
                masks, self.found.owners, self.context.sizes, self.context.frames, strict=True
            )
        ]

    def correct(self, answer: Sequence[Float[Tensor, "P H W"]], done: Collection[int] = ()) -> None:
        """Adds one click an object by the rule; none where there is no error, and none in images that are `done`."""
        for image, logits in enumerate(answer):
            if image in done:
                continue
            prompted = [index for index, described in enumerate(self.prompts[image]) if described]
            for row, index in enumerate(prompted):
                predicted, truth = logits[row].cpu() > 0, self.masks[image][index]
                clicked = self._clicks[image][index]
                click = self.rule(predicted, truth, self.ignored[image], clicked)
                if click is None or not self._wrong(image, predicted, truth, click):
                    continue  # no error is left, or every pixel of it was clicked before
                clicked.append(click)
                self.prompts[image][index].append(Point(click.x + 0.5, click.y + 0.5, click.positive))

    def _wrong(self, image: int, predicted: Tensor, truth: Tensor, click: Click) -> bool:
        ignored = self.ignored[image]
        judged = ignored is None or not bool(ignored[click.y, click.x])
        return judged and bool(predicted[click.y, click.x] != truth[click.y, click.x])


def _click(point: Point) -> Click:
    return Click(int(point.x), int(point.y), point.positive)
