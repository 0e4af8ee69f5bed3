"""The worst cases of an evaluation, as pictures for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.inference.drawing import outlines, overlay
from seemkit.types import Size

LIMIT = 6
MASK_KEY = "The tint is the predicted mask; the green border is that of the true one."
CLICKS_KEY = f"{MASK_KEY} Dots are the clicks: green on the object, red outside it."
PANOPTIC_KEY = "Left: what was predicted. Right: what is true. A color stands for a class."


@dataclass(frozen=True, slots=True)
class Case:
    """An image with a bad prediction.

    Attributes:
        score: quality of the prediction; the lowest is the worst.
        image: name of the image.
        text: one line with the prompt, if any, and the result.
        picture: uint8 [3, H, W].
        key: what the picture shows, for the reader.
    """

    score: float
    image: str
    text: str
    picture: Tensor
    key: str


class WorstCases:
    """The worst cases so far, at most `LIMIT`.

    Attributes:
        cases: cases from the worst on; equal scores are sorted by name.
    """

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self.cases = sorted(cases, key=_order)[:LIMIT]

    def add(self, score: float, image: str, text: str, draw: Callable[[], Tensor], key: str = MASK_KEY) -> None:
        """Add a case if it is among the worst; only then is it drawn.

        Args:
            score: see `Case`.
            image: see `Case`.
            text: see `Case`.
            draw: function that returns the picture, uint8 [3, H, W].
            key: see `Case`.
        """
        if len(self.cases) < LIMIT or (score, image, text) < _order(self.cases[-1]):
            self.cases = sorted([*self.cases, Case(score, image, text, draw(), key)], key=_order)[:LIMIT]


def found_and_true(image: Tensor, found: Bool[Tensor, "H W"], truth: Bool[Tensor, "H W"]) -> Tensor:
    """Return a picture of the predicted mask, tinted, and the border of the true mask, in green; uint8 [3, H, W].

    Args:
        image: image [3, h, w] of any size, values 0..255.
        found: predicted mask.
        truth: true mask.
    """
    tinted = overlay(image_at(image, Size(*truth.shape)), found[None].cpu())
    return outlines(tinted, [(truth.cpu(), True)])


def image_at(image: Float[Tensor, "3 h w"], size: Size) -> Tensor:
    """Return the image resized to `size`, uint8 [3, H, W], on the CPU."""
    pixels = image.detach().cpu().float()
    if tuple(pixels.shape[-2:]) != tuple(size):
        pixels = F.interpolate(pixels[None], size=tuple(size), mode="bilinear", antialias=True)[0]
    return pixels.round().clamp(0, 255).to(torch.uint8)


def _order(case: Case) -> tuple[float, str, str]:
    return case.score, case.image, case.text
