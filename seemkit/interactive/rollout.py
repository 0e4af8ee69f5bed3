"""The interactive loop: predict, compare with the truth, click on the deepest error, predict again.

Training runs it without gradient before a training step; interactive evaluation runs all of its rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.interactive.click_grid import ClickGrid, PixelGrid
from seemkit.interactive.clicker import Click, next_clicks
from seemkit.interactive.rounds import RoundResult, play_round
from seemkit.interactive.zoom import PlayedRound, RoundPlayer
from seemkit.model.outputs import Draws
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.prompts.values import Point, Prompt

ClickRule = Callable[[Tensor, Tensor, Tensor | None, Sequence[Sequence[Click]]], list[Click | None]]
"""Returns the next click of N objects for the predicted masks, the true masks and the ignored pixels, all bool
[N, H, W], and the earlier clicks; None for no click."""


class Rollout:
    """Objects of B images that a simulated user segments together, round by round.

    Args:
        network: the network that predicts.
        context: the encoded images.
        masks: for each image the true masks, bool [P, H, W], at the size in which prompts are given.
        prompts: first prompts by image and object, at least one of them visual; no prompts to skip an object.
        draws: values for the random choices in all rounds; see `Draws`.
        rule: function that returns the next clicks.
        ignored: for each image the pixels that are neither object nor background, bool [H, W].
        players: for each image, what plays the rounds of each object alone and zooms in; empty to play all objects
            of all images together, in the whole images.
        grid: where clicks are placed; `CellGrid` excludes players.

    Attributes:
        prompts: all prompts so far.
        prepared: the same prompts, ready for the network.
        result: result of the last round of all objects; None before the first, and with `players`.
        played: with `players`, the last round of each object, by image and object.
    """

    def __init__(
        self,
        network: SEEM,
        context: ImageContext,
        masks: Sequence[Tensor],
        prompts: Sequence[Sequence[Sequence[Prompt]]],
        draws: Draws | None = None,
        rule: ClickRule = next_clicks,
        ignored: Sequence[Tensor | None] | None = None,
        players: Sequence[RoundPlayer] = (),
        grid: type[ClickGrid] = PixelGrid,
    ) -> None:
        self.network = network
        self.context = context
        device = context.mask_features.device
        self.grids = [grid(context, image) for image in range(len(masks))]
        self.masks = [one.true(mask.to(device)) for one, mask in zip(self.grids, masks, strict=True)]
        self.prompts: list[list[list[Prompt]]] = [[[] for _ in image] for image in prompts]
        self.prepared: list[list[list[Prompt]]] = [[[] for _ in image] for image in prompts]
        self.draws = draws
        self.rule = rule
        self.ignored = [
            None if pixels is None else one.ignored(pixels.to(device))
            for one, pixels in zip(self.grids, ignored or [None] * len(masks), strict=True)
        ]
        self.result: RoundResult | None = None
        self.played: dict[tuple[int, int], PlayedRound] = {}
        self.players = players
        self._clicks = [
            [[one.find(p) for p in given if isinstance(p, Point)] for given in image]
            for one, image in zip(self.grids, prompts, strict=True)
        ]
        for image, objects in enumerate(prompts):
            for index, given in enumerate(objects):
                self.add(image, index, given)

    @property
    def memory(self) -> Float[Tensor, "B P H W"] | None:
        """Mask logits of the last round, which are the memory of the next one; None before the first round."""
        return None if self.result is None else self.result.masks

    def predict(self) -> list[Float[Tensor, "P H W"]]:
        """Return the mask logits of every prompted object, one tensor per image, and store the result of the round.

        The masks are on the grid of the clicks. Objects without prompts have no row.
        """
        if self.players:
            return [self._play(player, image) for image, player in enumerate(self.players)]
        self.result = play_round(self.network, self.context, self.prepared, self.memory, self.draws)
        prompted = [sum(map(bool, objects)) for objects in self.prompts]  # come first, in order
        return [
            one.predicted(logits[:count])
            for one, logits, count in zip(self.grids, self.result.masks, prompted, strict=True)
        ]

    def correct(self, predicted: Sequence[Float[Tensor, "P H W"]], done: Collection[int] = ()) -> None:
        """Add one click per object, as the rule returns it.

        An object without an error gets no click. The rule is asked for the objects of all images at once.

        Args:
            predicted: mask logits, as `predict` returned them.
            done: indices of images whose objects get no click.
        """
        places = [
            (image, index, row)
            for image, objects in enumerate(self.prompts)
            if image not in done
            for row, index in enumerate(index for index, described in enumerate(objects) if described)
        ]
        if not places:
            return
        found = _together([predicted[image][row] > 0 for image, _, row in places])
        truth = _together([self.masks[image][index] for image, index, _ in places])
        unjudged = [self.ignored[image] for image, _, _ in places]
        ignored = None
        if any(pixels is not None for pixels in unjudged):
            nothing = torch.zeros_like(truth[0])
            ignored = _together([nothing if pixels is None else pixels for pixels in unjudged])
        clicked = [self._clicks[image][index] for image, index, _ in places]
        clicks = self.rule(found, truth, ignored, clicked)
        for (image, index, _), earlier, click in zip(places, clicked, clicks, strict=True):
            if click is not None:
                earlier.append(click)
                self.add(image, index, [self.grids[image].place(click)])

    def add(self, image: int, index: int, prompts: Sequence[Prompt]) -> None:
        """Add prompts of an object for the next round.

        Raises:
            InputError: a prompt is not valid for the image.
        """
        self.prompts[image][index] += prompts
        self.prepared[image][index] += self.network.prepare(prompts, self.context.frames[image])

    def _play(self, player: RoundPlayer, image: int) -> Float[Tensor, "P H W"]:
        """Play a round of every prompted object of an image."""
        places = [(image, index) for index, prompts in enumerate(self.prepared[image]) if prompts]
        for place in places:
            self.played[place] = player.play(self.prepared[image][place[1]], self.played.get(place))
        nothing = self.context.mask_features.new_zeros((0, *player.frame))
        return torch.cat([nothing, *(self.played[place].logits[None] for place in places)])


def _together(masks: Sequence[Bool[Tensor, "H W"]]) -> Bool[Tensor, "N H W"]:
    """Return masks of different sizes as one tensor, with False on the right and below."""
    height, width = max(len(mask) for mask in masks), max(mask.shape[1] for mask in masks)
    return torch.stack([F.pad(mask, (0, width - mask.shape[1], 0, height - len(mask))) for mask in masks])
