"""The simulated user of training: which prompts an object gets first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from seemkit.errors import InputError
from seemkit.interactive.clicker import center_click
from seemkit.nn.tokens import VISUAL_QUERY, answered_by
from seemkit.prompts.encoder import Subject
from seemkit.prompts.registry import Registry
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Prompt

MIN_AREA = 10
"""An object with fewer pixels gets no prompt (reference: training sampler)."""


@dataclass(frozen=True)
class SimulatedUser:
    """How first prompts are drawn for objects.

    Attributes:
        center: probability of a single click at the most interior pixel, which is how evaluation starts.
        kinds: otherwise, the relative frequency of each prompt kind (reference: point, polygon, scribble and circle,
            all as often). Visual queries have to answer them, as they do all kinds that mark pixels.
        described: probability that the object is also described by a text.

    Raises:
        InputError: a probability is none, or no kind has a frequency above 0.
    """

    center: float = 0.0
    kinds: Mapping[str, float] = field(default_factory=lambda: {"point": 1, "polygon": 1, "scribble": 1, "circle": 1})
    described: float = 0.0

    def __post_init__(self) -> None:
        for name in ("center", "described"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"sampling.user.{name} is {getattr(self, name)}; expected a probability")
        if min(self.kinds.values(), default=-1.0) < 0 or not sum(self.kinds.values()) > 0:
            raise InputError(f"sampling.user.kinds is {dict(self.kinds)}; expected kinds with frequencies above 0")

    def check(self, registry: Registry) -> None:
        """Nothing, if visual queries answer every kind that may come first: rounds of clicks go on from there.

        Raises:
            InputError: a kind is not installed, or is answered by others, as texts are.
        """
        for name in self.kinds:
            if answered_by(registry[name].encoder.group) != VISUAL_QUERY:
                raise InputError(
                    f"sampling.user.kinds: {name!r} is not answered by visual queries, so no click can follow it; "
                    "texts are asked as phrases, and 'described' adds them to other prompts"
                )

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
            return [*prompts, *sampler.kind("text").simulate(subject, generator)]
        return prompts

    def _first(self, subject: Subject, sampler: VisualSampler, generator: torch.Generator) -> list[Prompt]:
        if float(torch.rand((), generator=generator)) < self.center:
            return [center_click(subject.mask)]
        weights = torch.tensor(list(self.kinds.values()), dtype=torch.float32)
        name = list(self.kinds)[int(torch.multinomial(weights, 1, generator=generator))]
        return list(sampler.kind(name).simulate(subject, generator))
