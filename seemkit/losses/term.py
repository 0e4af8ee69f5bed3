"""Losses as fractions, so that several processes can compute the mean over all their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, distributed


class Term(NamedTuple):
    """A loss before the division.

    Attributes:
        total: [L], the sum over the images of this process, for each prediction.
        divisor: [L], this process's share of the divisor: a number of targets, pairs or images, or a sum of weights.
    """

    total: Tensor
    divisor: Tensor

    def times(self, weight: float) -> Self:
        """Return the loss multiplied by `weight`."""
        return self._replace(total=weight * self.total)

    @property
    def mean(self) -> Tensor:
        """The loss of this process alone, summed over predictions; 0 if the divisor is 0."""
        return (self.total / _not_zero(self.divisor)).sum()


def means_over_processes(terms: Sequence[Term]) -> list[Tensor]:
    """Return each loss as if one process held the images of all processes.

    DDP averages gradients over processes, so the mean of the returned values over processes is the whole loss. One
    reduction serves all terms. Every process must pass the same terms, with zeros for those it has no data for.
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
