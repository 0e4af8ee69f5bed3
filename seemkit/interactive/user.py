"""The simulated user of training, who gives the first prompts of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from seemkit.errors import InputError
from seemkit.interactive.clicker import center_click
from seemkit.nn.tokens import VISUAL_QUERY, queries_for
from seemkit.prompts.encoder import Subject
from seemkit.prompts.registry import Registry
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Prompt

MIN_AREA = 10
"""Minimum number of pixels of an object that gets a prompt (reference: training sampler)."""


@dataclass(frozen=True)
class SimulatedUser:
    """Draws the first prompts of objects.

    Attributes:
        center: probability of a single click at the most interior pixel, with which evaluation starts.
        kinds: otherwise, the relative frequency of each prompt kind (reference: point, polygon, scribble and circle,
            equally often). Only kinds that select among visual queries are allowed, for example kinds that mark pixels.
        described: probability of an additional text prompt.

    Raises:
        InputError: a probability is not in 0..1, a frequency is negative, or no kind has a frequency above 0.
    """

    center: float = 0.0
    kinds: Mapping[str, float] = field(default_factory=lambda: {"point": 1, "polygon": 1, "scribble": 1, "circle": 1})
    described: float = 0.0

    def __post_init__(self) -> None:
        for name in ("center", "described"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"sampling.user.{name} is {getattr(self, name)}; expected a probability, 0 to 1")
        if min(self.kinds.values(), default=-1.0) < 0 or not sum(self.kinds.values()) > 0:
            raise InputError(f"sampling.user.kinds is {dict(self.kinds)}; expected kinds with frequencies above 0")

    def check(self, registry: Registry) -> None:
        """Raise InputError unless clicks can follow a first prompt of every kind.

        Raises:
            InputError: a kind is not installed, or does not select among visual queries (as texts).
        """
        for name in self.kinds:
            if queries_for(registry[name].encoder.group) != VISUAL_QUERY:
                raise InputError(
                    f"sampling.user.kinds: {name!r} does not select among visual queries, so no click can follow it; "
                    "remove it (texts are sampled as phrases, and 'described' adds them to other prompts)"
                )

    def first_prompts(self, subject: Subject, sampler: VisualSampler, generator: torch.Generator) -> list[Prompt]:
        """Return the first prompts of an object; an empty list if it is too small or the drawn kind cannot describe it.

        Args:
            subject: the object.
            sampler: the sampler with the encoders of the kinds.
            generator: a CPU generator.

        Raises:
            InputError: a kind is not installed.
        """
        if int(subject.mask.sum()) < MIN_AREA:
            return []
        prompts = self._first(subject, sampler, generator)
        if prompts and self.described and float(torch.rand((), generator=generator)) < self.described:
            return [*prompts, *sampler.kind("text").simulate(subject, generator)]
        return prompts

    def _first(self, subject: Subject, sampler: VisualSampler, generator: torch.Generator) -> list[Prompt]:
        if float(torch.rand((), generator=generator)) < self.center:
            return [center_click(subject.mask)]
        weights = torch.tensor(list(self.kinds.values()), dtype=torch.float32)
        name = list(self.kinds)[int(torch.multinomial(weights, 1, generator=generator))]
        return list(sampler.kind(name).simulate(subject, generator))
