"""The clicks of a simulated user, on the deepest pixel of all errors (RITM, arXiv 2102.06583, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from seemkit.ops.deepest import deepest_pixel, deepest_pixels
from seemkit.ops.distance import kornia_depth
from seemkit.prompts.values import Point

CONTENT = 0.925
"""The official simulated user stops clicking at this IoU."""


@dataclass(frozen=True, slots=True)
class Click:
    """A pixel that a user clicks.

    Attributes:
        x: column of the pixel.
        y: row of the pixel.
        positive: True on the object, False outside it.
    """

    x: int
    y: int
    positive: bool


def next_clicks(
    predicted: Bool[Tensor, "N H W"],
    target: Bool[Tensor, "N H W"],
    ignored: Bool[Tensor, "N H W"] | None,
    clicked: Sequence[Sequence[Click]],
) -> list[Click | None]:
    """Return for each object the click on the deepest error, None if no error is left.

    A click is positive on missed pixels of the object, negative on false ones. The depth of an error pixel is its
    distance to the nearest pixel that is not an error of the same sign. Pixels outside the image are not errors. Among
    equally deep pixels, the first in raster order is clicked; among equally deep signs, the negative one. No pixel is
    clicked twice: a clicked pixel has depth 0, but still counts as an error when the depth of its neighbors is
    measured.

    The masks stay on their device; the coordinates of all clicks are copied to the host at once.

    Args:
        predicted: the current masks.
        target: the masks of the objects.
        ignored: pixels that are neither object nor background.
        clicked: earlier clicks on each object.

    Raises:
        ValueError: the maps differ in size.
    """
    if predicted.shape != target.shape or (ignored is not None and ignored.shape != target.shape):
        raise ValueError(f"maps for a click differ in size: predicted {[*predicted.shape]}, target {[*target.shape]}")
    missed, false = target & ~predicted, predicted & ~target
    if ignored is not None:
        missed, false = missed & ~ignored, false & ~ignored
    skipped = [[(click.x, click.y) for click in clicks] for clicks in clicked]
    found = deepest_pixels(torch.cat((missed, false)), skipped + skipped)
    pairs = zip(found[: len(target)], found[len(target) :], strict=True)
    best = [(inner, True) if inner.depth > outer.depth else (outer, False) for inner, outer in pairs]
    return [Click(pixel.x, pixel.y, positive) if pixel.depth else None for pixel, positive in best]


def next_click(
    predicted: Bool[Tensor, "H W"],
    target: Bool[Tensor, "H W"],
    ignored: Bool[Tensor, "H W"] | None = None,
    clicked: Sequence[Click] = (),
) -> Click:
    """Return the click on one object; see `next_clicks`. If no error is left, it is negative at (0, 0), as in RITM."""
    whole = None if ignored is None else ignored[None]
    return next_clicks(predicted[None], target[None], whole, [clicked])[0] or Click(0, 0, positive=False)


def official_clicks(
    predicted: Bool[Tensor, "N H W"],
    target: Bool[Tensor, "N H W"],
    ignored: Bool[Tensor, "N H W"] | None,
    clicked: Sequence[Sequence[Click]],
) -> list[Click | None]:
    """Return for each object the click of the official evaluation; see `official_click`.

    It is also None if the click is on no error.
    """
    found, truth = predicted.cpu(), target.cpu()
    judged = torch.ones_like(truth) if ignored is None else ~ignored.cpu()
    wrong = (found != truth) & judged
    clicks = []
    for mask, target_mask, unjudged, earlier, errors in zip(found, truth, ~judged, clicked, wrong, strict=True):
        click = official_click(mask, target_mask, unjudged, earlier)
        clicks.append(click if click is not None and bool(errors[click.y, click.x]) else None)
    return clicks


def official_click(
    predicted: Bool[Tensor, "H W"],
    target: Bool[Tensor, "H W"],
    ignored: Bool[Tensor, "H W"] | None = None,
    clicked: Sequence[Click] = (),
) -> Click | None:
    """Return the click of the official SEEM evaluation; None if the IoU is at least 0.925.

    The sign is that of the errors with more pixels; equal counts give a negative click. The click is on the deepest
    error of this sign, measured by `ops.distance.kornia_depth`. Errors in the 3 x 3 squares around earlier clicks do
    not count. If no error is left, the click is at (0, 0). Source: the official evaluation, described in
    docs/fidelity.md.

    Args:
        predicted: the current mask, on any device.
        target: the mask of the object.
        ignored: pixels that are neither object nor background.
        clicked: earlier clicks on this object.
    """
    judged = torch.ones_like(target) if ignored is None else ~ignored
    seen = ~judged | _around(clicked, target)
    overlap, union = (predicted & target & judged).sum(), ((predicted | target) & judged).sum()
    if overlap >= CONTENT * union:
        return None
    missed, false = target & ~predicted & ~seen, predicted & ~target & ~seen
    positive = bool(missed.sum() > false.sum())
    _, x, y = deepest_pixel((missed if positive else false).cpu().numpy(), measure=kornia_depth)
    return Click(x, y, positive)


def first_click(mask: Bool[Tensor, "H W"]) -> Click:
    """Return the positive click on the deepest pixel of an object, negative at (0, 0) if it has none."""
    (deepest,) = deepest_pixels(mask[None], [[]])
    return Click(deepest.x, deepest.y, positive=deepest.depth > 0)


def center_click(mask: Bool[Tensor, "H W"]) -> Point:
    """Return a positive point at the pixel of the mask that is farthest from its border."""
    click = first_click(mask)
    return Point(click.x + 0.5, click.y + 0.5)


def _around(clicked: Sequence[Click], like: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Return the pixels of the 3 x 3 squares around clicks."""
    marked = torch.zeros_like(like)
    for click in clicked:
        marked[max(0, click.y - 1) : click.y + 2, max(0, click.x - 1) : click.x + 2] = True
    return marked
