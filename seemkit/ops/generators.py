"""Random generators derived from integers, such as a seed, a step and an image's index."""

from __future__ import annotations

import numpy as np
import torch


def seeded(*numbers: int) -> torch.Generator:
    """Return a CPU generator seeded by the numbers; neighboring numbers give independent random streams.

    The last number should not be 0: NumPy treats (1, 0) like (1,).

    Args:
        numbers: integers >= 0.
    """
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """Return a NumPy generator seeded by the torch generator."""
    return np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
