"""The conformance test of prompt kinds refuses what it should."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from seemkit.plugin import Prompt, Region, RegionPromptEncoder, check_numbers, read_numbers
from seemkit.testing import check_prompt_encoder


@dataclass(frozen=True)
class Loose(Prompt):
    """A stripe of columns, whose numbers nobody checks."""

    left: float
    right: float
    positive: bool = True


@dataclass(frozen=True)
class Strict(Loose):
    """The same with finite numbers."""

    def __post_init__(self) -> None:
        self._normalize(**check_numbers("stripe", left=self.left, right=self.right))


class LooseEncoder(RegionPromptEncoder[Loose]):
    """Marks a stripe."""

    kind = "stripe"
    accepts = Loose
    signed = True

    def region(self, prompt, size):
        columns = np.arange(size.width)
        inside = columns[(columns >= prompt.left) & (columns < prompt.right)]
        if prompt.left > prompt.right:
            raise ZeroDivisionError
        return Region.of(np.stack([np.zeros_like(inside), inside], axis=1), positive=prompt.positive)

    def simulate(self, subject, generator):
        return []

    @classmethod
    def parse(cls, text):
        positive, (left, right) = read_numbers("stripe", text, "LEFT,RIGHT", lambda count: count == 2)
        return cls.accepts(left, right, positive or not cls.signed)


class IgnoresMinus(LooseEncoder):
    """Reads a minus as if it were not there."""

    accepts = Strict
    signed = False


class CrashesSwapped(LooseEncoder):
    """Cannot draw a stripe whose edges are swapped."""

    accepts = Strict


@pytest.mark.parametrize(
    ("encoder", "error", "said"),
    [
        (LooseEncoder, AssertionError, "from_json accepts nan for left"),
        (CrashesSwapped, ZeroDivisionError, ""),
    ],
)
def test_numbers_are_checked(encoder, error, said):
    with pytest.raises(error, match=said):
        check_prompt_encoder(encoder(8), [encoder.accepts(10, 20)])


def test_a_minus_counts(monkeypatch):
    monkeypatch.setattr(IgnoresMinus, "region", lambda self, prompt, size: Region.of(np.array([[1, 1]]), positive=True))
    with pytest.raises(AssertionError, match="ignores the minus"):
        check_prompt_encoder(IgnoresMinus(8), [Strict(10, 20)], words=["10,20"])
