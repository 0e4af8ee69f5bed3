"""Optimal one-to-one assignment of an image's targets to its queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from seemkit.ops.transfer import send

UNMATCHED = -1
WORST = 1e9


@torch.no_grad()
def assign(costs: Sequence[Float[Tensor, "L Q n"]]) -> list[Int[Tensor, "L n"]]:
    """Return the query of each target at the lowest total cost, `UNMATCHED` for surplus targets.

    Each image, and each of its L problems, is solved separately, on the host. The costs of all images are copied there
    at once. A cost that is not finite counts as very high.

    Args:
        costs: cost of every pair of query and target, for each image.
    """
    if not costs:
        return []
    flat = torch.cat([cost.float().flatten() for cost in costs]).cpu().numpy()
    tables = np.split(np.nan_to_num(flat, nan=WORST, posinf=WORST, neginf=WORST), np.cumsum([c.numel() for c in costs]))
    found = [_solve(table.reshape(cost.shape)) for table, cost in zip(tables, costs, strict=False)]
    joint = send(torch.from_numpy(np.concatenate([one.ravel() for one in found])), costs[0].device)
    parts = joint.split([one.size for one in found])
    return [part.view(one.shape) for part, one in zip(parts, found, strict=True)]


def _solve(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the query of each target, [L, n], for the cost [L, Q, n] of an image."""
    layers, _, count = cost.shape
    found = np.full((layers, count), UNMATCHED, dtype=np.int64)
    for layer, table in enumerate(cost):
        queries, columns = linear_sum_assignment(table)
        found[layer, columns] = queries
    return found


@torch.no_grad()
def assign_owned(cost: Float[Tensor, "L Q n"], owners: Int[Tensor, " n"], copies: int) -> Int[Tensor, "L n"]:
    """Return the query of each target with the lowest cost among the queries of the target's owner.

    Different owners share no query. With one target per owner, as in `match`, this is the optimal assignment.

    Args:
        cost: cost of every pair of query and target.
        owners: owner of each target; owner o has the queries `copies` * o to `copies` * (o + 1) - 1.
        copies: queries per owner.
    """
    own = cost.unflatten(1, (-1, copies))[:, owners, :, torch.arange(len(owners), device=cost.device)]  # [n, L, copies]
    return own.argmin(dim=2).T + owners * copies
