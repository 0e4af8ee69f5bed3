"""The simulated user: which prompt an object gets first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seemkit.interactive.clicker import first_click
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Point, Prompt

MIN_AREA = 10
"""An object with fewer pixels gets no prompt (reference: training sampler)."""


@dataclass(frozen=True)
class SimulatedUser:
    """How first prompts are drawn from masks.

    Attributes:
        centre: probability of a single click at the most interior pixel, which is how evaluation starts.
        kinds: otherwise, the relative frequency of each prompt kind.
    """

    centre: float = 0.0
    kinds: Mapping[str, float] = field(default_factory=lambda: {"point": 1.0})

    def first_prompt(self, mask: Tensor, sampler: VisualSampler, generator: torch.Generator) -> list[Prompt]:
        """The first prompt of an object, empty if it is too small or the drawn kind cannot be drawn from it.

        Args:
            mask: bool [H, W].
            sampler: holds the installed kinds.
            generator: a CPU generator.
        """
        if int(mask.sum()) < MIN_AREA:
            return []
        if float(torch.rand((), generator=generator)) < self.centre:
            return [centre_click(mask)]
        weights = torch.tensor(list(self.kinds.values()))
        name = list(self.kinds)[int(torch.multinomial(weights, 1, generator=generator))]
        return list(sampler.kind(name).simulate(mask, generator))


def centre_click(mask: Tensor) -> Point:
    """A positive click at the pixel of the mask that is farthest from its border."""
    click = first_click(mask)
    return Point(click.x + 0.5, click.y + 0.5)
