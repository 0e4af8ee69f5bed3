"""The worst images of an evaluation, as pictures for the report."""

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


@dataclass(frozen=True, slots=True)
class Case:
    """One image in which something went badly.

    Attributes:
        score: how good it is; the least are the worst.
        image: its name.
        text: what was asked and what came out, a line.
        picture: uint8 [3, H, W].
    """

    score: float
    image: str
    text: str
    picture: Tensor


class WorstCases:
    """The worst cases that were met, at most `LIMIT`.

    Attributes:
        cases: the worst first; of equal ones those whose name comes first.
    """

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self.cases = sorted(cases, key=_order)[:LIMIT]

    def add(self, score: float, image: str, text: str, draw: Callable[[], Tensor]) -> None:
        """Takes a case in if it is among the worst; draws it only then.

        Args:
            score: as in `Case`.
            image: as there.
            text: as there.
            draw: makes the picture, uint8 [3, H, W].
        """
        if len(self.cases) < LIMIT or (score, image, text) < _order(self.cases[-1]):
            self.cases = sorted([*self.cases, Case(score, image, text, draw())], key=_order)[:LIMIT]


def found_and_true(image: Tensor, found: Bool[Tensor, "H W"], truth: Bool[Tensor, "H W"]) -> Tensor:
    """A picture of a found mask, tinted, and of the border of the true one, green; uint8 [3, H, W].

    Args:
        image: [3, h, w], values 0..255, of any size.
        found: at the size of the truth.
        truth: its size is that of the picture.
    """
    tinted = overlay(image_at(image, Size(*truth.shape)), found[None].cpu())
    return outlines(tinted, [(truth.cpu(), True)])


def image_at(image: Float[Tensor, "3 h w"], size: Size) -> Tensor:
    """The image as uint8 [3, H, W] of this size, on the CPU."""
    pixels = image.detach().cpu().float()
    if tuple(pixels.shape[-2:]) != tuple(size):
        pixels = F.interpolate(pixels[None], size=tuple(size), mode="bilinear", antialias=True)[0]
    return pixels.round().clamp(0, 255).to(torch.uint8)


def _order(case: Case) -> tuple[float, str, str]:
    return case.score, case.image, case.text
