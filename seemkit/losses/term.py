"""Losses as fractions, so that several processes get the mean over all of their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, distributed


class Term(NamedTuple):
    """A loss before its division.

    Attributes:
        total: [L], the sum over what this process holds, for each prediction.
        divisor: [L], what the sums over all processes are divided by: a number of targets, pairs or images.
    """

    total: Tensor
    divisor: Tensor

    def times(self, weight: float) -> Self:
        """The loss with a weight."""
        return self._replace(total=weight * self.total)

    @property
    def mean(self) -> Tensor:
        """The loss of this process alone, summed over predictions; 0 where there is nothing to divide by."""
        return (self.total / _not_zero(self.divisor)).sum()


def means_over_processes(terms: Sequence[Term]) -> list[Tensor]:
    """Each loss as if one process held the images of all.

    DDP averages gradients over processes, so that the mean of these values is the whole loss. One reduction serves all
    terms; every process must give the same ones, with zeros for what it lacks.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return [term.mean for term in terms]
    divisors = torch.cat([term.divisor for term in terms])
    distributed.all_reduce(divisors)
    shares = divisors.split([len(term.divisor) for term in terms])
    world = distributed.get_world_size()
    return [world * (term.total / _not_zero(share)).sum() for term, share in zip(terms, shares, strict=True)]


def _not_zero(divisor: Tensor) -> Tensor:
    return divisor.where(divisor > 0, 1)
