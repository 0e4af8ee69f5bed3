"""The simulated user of training: which prompts an object gets first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool
from torch import Tensor

from seemkit.interactive.clicker import centre_click
from seemkit.prompts.encoder import Subject
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Point, Prompt

MIN_AREA = 10
"""An object with fewer pixels gets no prompt (reference: training sampler)."""


@dataclass(frozen=True)
class SimulatedUser:
    """How first prompts are drawn for objects.

    Attributes:
        centre: probability of a single click at the most interior pixel, which is how evaluation starts.
        kinds: otherwise, the relative frequency of each prompt kind (reference: point, polygon, scribble and circle,
            all as often).
        described: probability that the object is also described by a text.
        rough: probability that a described object gets, in the place of its first prompt, a click that is only roughly
            there and may miss it; the text then has to tell what is meant.
    """

    centre: float = 0.0
    kinds: Mapping[str, float] = field(default_factory=lambda: {"point": 1, "polygon": 1, "scribble": 1, "circle": 1})
    described: float = 0.0
    rough: float = 0.0

    def first_prompts(self, subject: Subject, sampler: VisualSampler, generator: torch.Generator) -> list[Prompt]:
        """The first prompts of an object, none if it is too small or the drawn kind cannot say it.

        Args:
            subject: the object.
            sampler: holds the installed kinds.
            generator: a CPU generator.

        Raises:
            InputError: a kind is not installed.
        """
        if int(subject.mask.sum()) < MIN_AREA:
            return []
        prompts = self._first(subject, sampler, generator)
        if prompts and self.described and float(torch.rand((), generator=generator)) < self.described:
            texts = list(sampler.kind("text").simulate(subject, generator))
            if texts and float(torch.rand((), generator=generator)) < self.rough:
                prompts = [rough_click(subject.mask, generator)]
            return [*prompts, *texts]
        return prompts

    def _first(self, subject: Subject, sampler: VisualSampler, generator: torch.Generator) -> list[Prompt]:
        if float(torch.rand((), generator=generator)) < self.centre:
            return [centre_click(subject.mask)]
        weights = torch.tensor(list(self.kinds.values()), dtype=torch.float32)
        name = list(self.kinds)[int(torch.multinomial(weights, 1, generator=generator))]
        return list(sampler.kind(name).simulate(subject, generator))


def rough_click(mask: Bool[Tensor, "H W"], generator: torch.Generator) -> Point:
    """A click that is meant for an object but only roughly there: about half of such clicks miss it.

    Its distance from the most interior pixel has a standard deviation of half the root of the area, in x and y; it
    stays in the image.
    """
    centre, (height, width) = centre_click(mask), mask.shape
    away = torch.randn(2, generator=generator) * (0.5 * float(mask.sum()) ** 0.5)
    x, y = centre.x + float(away[0]), centre.y + float(away[1])
    return Point(min(max(x, 0.5), width - 0.5), min(max(y, 0.5), height - 0.5))
