"""Optimal one-to-one assignment of an image's targets to its queries."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

UNMATCHED = -1
WORST = 1e9


@torch.no_grad()
def assign(cost: Float[Tensor, "L Q n"]) -> Int[Tensor, "L n"]:
    """Return the query of each target at the lowest total cost, `UNMATCHED` for surplus targets.

    Each of the L problems is solved separately. A cost that is not finite counts as very high.
    """
    layers, _, count = cost.shape
    found = torch.full((layers, count), UNMATCHED)
    for layer, table in enumerate(cost.float().cpu().numpy()):
        queries, columns = linear_sum_assignment(np.nan_to_num(table, nan=WORST, posinf=WORST, neginf=WORST))
        found[layer, columns] = torch.from_numpy(queries)
    return found.to(cost.device)


@torch.no_grad()
def assign_owned(cost: Float[Tensor, "L Q n"], owners: Int[Tensor, " n"], copies: int) -> Int[Tensor, "L n"]:
    """Return the query of each target with the lowest cost among the queries of the target's owner.

    Different owners share no query. With one target per owner, as in `match`, this is the optimal assignment.

    Args:
        cost: cost of every pair of query and target.
        owners: owner of each target; owner o has the queries `copies` * o to `copies` * (o + 1) - 1.
        copies: queries per owner.
    """
    own = cost.unflatten(1, (-1, copies))[:, owners, :, torch.arange(len(owners))]  # [n, L, copies]
    return own.argmin(dim=2).T + owners * copies
