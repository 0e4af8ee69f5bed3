"""Rounds that zoom in: an object is predicted in the whole image, then again in a window around it.

A small object covers few cells of the network's masks. After its first mask, the image is cut around the object and
encoded again at the size that the architecture's `zoom_side` gives, with the prompts moved into the window and the mask
as memory. Later rounds use the same window as long as it fits. Source of the idea: RITM (arXiv 2102.06583), section
"Zoom-In" of its evaluation, and FocalClick (arXiv 2204.02574), section 3.2.

On request, each view is also played mirrored, and the logits of both are averaged, as in RITM's evaluation. This takes
at least twice the time. An object with a text is not played mirrored, because left and right would change places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.errors import InputError
from seemkit.interactive.rounds import play_example, play_round
from seemkit.interactive.views import Views
from seemkit.interactive.window import Window
from seemkit.model.outputs import Draws
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.ops.region import Region
from seemkit.postprocess.resize import restore
from seemkit.prompts.prepared import DrawnRegion, example_of
from seemkit.prompts.values import Prompt
from seemkit.types import Size

MARGIN = 1.5
"""Side of a window, as a multiple of the longer side of the object's box."""
LEAST_GAIN = 1.25
"""A window is used only if it enlarges the object at least by this factor."""
GROWTH = 1.1
"""A window is replaced when a new one would be this much larger."""
SLACK = 1.6
"""A window is replaced when it is this much larger than a new one would be."""
REACH = 0.1
"""A window is too small if the mask covers more than this share of one of its edges."""
LEAST_SIDE = 48
"""Shortest side of a window in pixels."""
OUTSIDE = -10.0
"""Mask logit of the pixels outside a window."""


@dataclass(frozen=True)
class PlayedRound:
    """The result of one round of one object.

    Attributes:
        masks: each [1, 1, h, w], mask logits in the view and in the mirrored view, if there is one; they are the memory
            of the next round.
        class_embedding: [C], class embedding of the selected query.
        window: part of the image that the view shows; None for the whole image.
        frame: height and width of the image.
        encoded: height and width of the view as the network saw it, without and with padding.
    """

    masks: tuple[Float[Tensor, "1 1 h w"], ...]
    class_embedding: Float[Tensor, " C"]
    window: Window | None
    frame: Size
    encoded: tuple[Size, Size]

    @property
    def nbytes(self) -> int:
        """Memory of the masks in bytes: of the view, and of the whole image while they are kept."""
        whole = self.__dict__.get("logits")
        return sum(masks.nbytes for masks in self.masks) + (0 if whole is None else whole.nbytes)

    @cached_property
    def logits(self) -> Float[Tensor, "H W"]:
        """Mask logits at the size of the image; `OUTSIDE` where the view does not reach."""
        size, padded = self.encoded
        frame = self.frame if self.window is None else self.window.size
        shown, *mirrored = (restore(masks[0], padded, size, frame, "bilinear")[0] for masks in self.masks)
        for other in mirrored:
            shown = (shown + other.flip(-1)) / 2
        if self.window is None:
            return shown
        logits = shown.new_full(tuple(self.frame), OUTSIDE)
        logits[self.window.slices] = shown
        return logits

    def release(self) -> None:
        """Forget the logits at the size of the image, which are made again if they are asked for."""
        self.__dict__.pop("logits", None)


class RoundPlayer:
    """Plays the rounds of single objects in one image, in one or several views of it.

    Args:
        network: the network.
        whole: the encoded image, alone.
        pixels: the image, uint8 [3, h, w], of any size; None to play in the encoded image alone.
        seed: seed for choosing the object queries that visual queries copy; None for the network's.
        zoom: whether to zoom in, if the architecture has a `zoom_side`.
        mirrored: whether to average each mask with that of the mirrored view.

    Raises:
        InputError: the seed is not a whole number from 0 to 2^63 - 1.
    """

    def __init__(
        self,
        network: SEEM,
        whole: ImageContext,
        pixels: Tensor | None = None,
        seed: int | None = None,
        *,
        zoom: bool = True,
        mirrored: bool = False,
    ) -> None:
        if seed is not None:
            check_seed(seed)
        self.network = network
        self.views = Views(network, whole, pixels, mirrored)
        self.draws = None if seed is None else Draws(queries=network.queries.draw(1, seed).to(network.device))
        self.zoom_side = network.architecture.zoom_side if zoom and pixels is not None else 0

    @property
    def frame(self) -> Size:
        """Height and width of the image in whose pixels prompts are given."""
        return self.views.frame

    @torch.no_grad()
    def play(self, prompts: Sequence[Prompt], before: PlayedRound | None = None) -> PlayedRound:
        """Return the result of a round.

        Args:
            prompts: all prompts of the object so far, prepared for the frame.
            before: the previous round, whose logits at the size of the image are released; None in the first round.
        """
        if before is None:
            first = self._play(prompts, None)
            window = self._window(first.logits, prompts)
            return first if window is None else self._play_in(window, prompts, first.logits)
        if _fits(before.window, self._window(before.logits, prompts), prompts):
            played = self._play(prompts, before.window, before.masks)
        else:
            played = self.follow(prompts, before.logits)
        before.release()  # those of a photograph are 50 MB for each click
        return played

    @torch.no_grad()
    def follow(self, prompts: Sequence[Prompt], logits: Float[Tensor, "H W"]) -> PlayedRound:
        """Return the result of a round whose memory is any mask, for example that of the previous frame of a video.

        Args:
            prompts: all prompts of the object, prepared for the frame.
            logits: mask logits of the object at the size of the frame; they also decide the window.
        """
        window = self._window(logits, prompts)
        if window is None:
            return self._play(prompts, None, self._memory(logits))
        return self._play_in(window, prompts, logits)

    def _play_in(self, window: Window, prompts: Sequence[Prompt], logits: Float[Tensor, "H W"]) -> PlayedRound:
        """Return the result in a window, or in a larger one if the window cuts the mask off."""
        played = self._play(prompts, window, self._memory(logits, window))
        if not _cut_off(played):
            return played
        larger = self._window(played.logits, prompts)
        if larger is None:
            return self._play(prompts, None, self._memory(logits))
        grown = max(larger.height, larger.width) > max(window.height, window.width)
        return self._play_in(larger, prompts, logits) if grown else played

    def _play(
        self, prompts: Sequence[Prompt], window: Window | None, memory: Sequence[Float[Tensor, "1 1 h w"]] = ()
    ) -> PlayedRound:
        """Return the result in a window, or in the whole image for None; `memory` is as in `PlayedRound.masks`."""
        view = self.views[window]
        if any(not isinstance(prompt, DrawnRegion) for prompt in prompts):
            view = view[:1]
        frame = self.frame if window is None else window.size
        moved = prompts if window is None else [p for prompt in prompts if (p := _move(prompt, window)) is not None]
        sides = [moved, [_mirror(prompt, frame.width) for prompt in moved]]
        example = None if memory else example_of(prompts)
        results = [
            play_round(self.network, context, [[side]], masks, self.draws)
            if example is None
            else play_example(self.network, context, example)
            for context, side, masks in zip(view, sides, memory or (None, None), strict=False)
        ]
        embedding = results[0].selected.queries.classes[0, 0]
        encoded = view[0].sizes[0], view[0].padded
        return PlayedRound(tuple(result.masks for result in results), embedding, window, self.frame, encoded)

    def _memory(self, logits: Float[Tensor, "H W"], window: Window | None = None) -> list[Float[Tensor, "1 1 h w"]]:
        """Return mask logits at the size of the frame as the memory of a round in a window."""
        shown = logits if window is None else logits[window.slices]
        return [
            _at_mask_size(side, context)
            for side, context in zip((shown, shown.flip(-1)), self.views[window], strict=False)
        ]

    def _window(self, logits: Float[Tensor, "H W"], prompts: Sequence[Prompt]) -> Window | None:
        """Return the window around an object; None if there is no mask or the window would hardly enlarge it."""
        if not self.zoom_side:
            return None
        box = _box(prompts, logits > 0)
        if box is None:
            return None
        side = max(round(MARGIN * max(box.height, box.width)), LEAST_SIDE)
        shown = self.views.whole.sizes[0].height / self.frame.height
        if self.zoom_side / side < LEAST_GAIN * shown:
            return None
        edges = ((box.top, box.height, self.frame.height), (box.left, box.width, self.frame.width))
        sides = [min(side, size) for _, _, size in edges]
        top, left = (
            min(max(0, start + length // 2 - length_shown // 2), size - length_shown)
            for (start, length, size), length_shown in zip(edges, sides, strict=True)
        )
        return Window(top, left, *sides)


def check_seed(seed: object) -> None:
    """Raise InputError unless a seed is a whole number from 0 to 2^63 - 1."""
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed: {str(seed)[:40]!r}; expected a whole number from 0 to 2^63 - 1")


def _fits(used: Window | None, wanted: Window | None, prompts: Sequence[Prompt]) -> bool:
    """Return whether the view of the previous round also serves this one."""
    if used is None or wanted is None:
        return used is wanted
    marked = _box(prompts)
    if marked is not None and not used.contains(marked):
        return False
    used_side, wanted_side = (max(window.height, window.width) for window in (used, wanted))
    return wanted_side <= GROWTH * used_side and used_side <= SLACK * wanted_side


def _cut_off(played: PlayedRound) -> bool:
    """Return whether a mask reaches far along an edge of its window that is not an edge of the image."""
    window, frame = played.window, played.frame
    assert window is not None
    mask = played.logits[window.slices] > 0
    edges = (
        (mask[0], window.top > 0),
        (mask[-1], window.top + window.height < frame.height),
        (mask[:, 0], window.left > 0),
        (mask[:, -1], window.left + window.width < frame.width),
    )
    return any(inside and float(edge.float().mean()) > REACH for edge, inside in edges)


def _at_mask_size(logits: Float[Tensor, "H W"], context: ImageContext) -> Float[Tensor, "1 1 h w"]:
    """Return mask logits at the size of a context's frame at that of its masks."""
    size, padded = context.sizes[0], context.padded
    resized = F.interpolate(logits[None, None], tuple(size), mode="bilinear", antialias=True)
    filled = F.pad(resized, (0, padded.width - size.width, 0, padded.height - size.height), value=OUTSIDE)
    height, width = context.mask_features.shape[-2:]
    return F.adaptive_avg_pool2d(filled, (height, width)).to(context.mask_features)


def _move(prompt: Prompt, window: Window) -> Prompt | None:
    """Return a prepared prompt in the pixels of a window; None if it marks no pixel in it."""
    if not isinstance(prompt, DrawnRegion):
        return prompt
    size, start = (window.height, window.width), (window.top, window.left)
    parts = []
    for pixels in (prompt.region.positive, prompt.region.negative):
        moved = pixels - start
        parts.append(moved[((moved >= 0) & (moved < size)).all(axis=1)])
    if not sum(map(len, parts)):
        return None
    return DrawnRegion(Region(*parts), Size(*size))


def _mirror(prompt: Prompt, width: int) -> Prompt:
    """Return a prepared prompt in a mirrored view of this width. Tokens, as of texts, stay as they are."""
    if not isinstance(prompt, DrawnRegion):
        return prompt
    parts = [pixels * (1, -1) + (0, width - 1) for pixels in (prompt.region.positive, prompt.region.negative)]
    return DrawnRegion(Region(*parts), prompt.size)


def _box(prompts: Sequence[Prompt], mask: Bool[Tensor, "H W"] | None = None) -> Window | None:
    """Return the smallest window with all pixels that positive prompts mark, and all of a mask; None without any."""
    corners: list[list[int]] = []
    if mask is not None and bool(mask.any()):
        rows, columns = (mask.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        corners += [[int(rows[place]), int(columns[place])] for place in (0, -1)]
    for prompt in prompts:
        if isinstance(prompt, DrawnRegion) and len(prompt.region.positive):
            corners += [prompt.region.positive.min(axis=0).tolist(), prompt.region.positive.max(axis=0).tolist()]
    if not corners:
        return None
    rows_, columns_ = zip(*corners, strict=True)
    return Window(min(rows_), min(columns_), max(rows_) - min(rows_) + 1, max(columns_) - min(columns_) + 1)
