"""Generators of random numbers that are functions of whole numbers, such as a seed, a step and an image's place."""

from __future__ import annotations

import numpy as np
import torch


def seeded(*numbers: int) -> torch.Generator:
    """A CPU generator whose stream is a function of the numbers; neighboring numbers give unrelated streams.

    The last number should not be 0: NumPy takes (1, 0) for (1,).

    Args:
        numbers: at least 0 each.
    """
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """Return a NumPy generator that is seeded by the torch generator."""
    return np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
