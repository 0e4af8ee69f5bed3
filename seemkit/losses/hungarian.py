"""The optimal one-to-one assignment of targets to queries."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

UNMATCHED = -1


@torch.no_grad()
def assign(cost: Float[Tensor, "L B Q N"], valid: Bool[Tensor, "B N"]) -> Int[Tensor, "L B N"]:
    """The query of each target with the least total cost, `UNMATCHED` for padding and surplus targets.

    Each of the L x B problems is solved on its own. Valid targets come first in each image.
    """
    layers, batch, _, count = cost.shape
    found = torch.full((layers, batch, count), UNMATCHED)
    table = cost.float().cpu().numpy()
    counts = valid.sum(dim=1).tolist()
    for layer in range(layers):
        for image, targets in enumerate(counts):
            queries, columns = linear_sum_assignment(table[layer, image, :, :targets])
            found[layer, image, columns] = torch.from_numpy(queries)
    return found.to(cost.device)


@torch.no_grad()
def assign_owned(cost: Float[Tensor, "L B Q N"], valid: Bool[Tensor, "B N"], copies: int) -> Int[Tensor, "L B N"]:
    """The query of each target with the least cost among its own: queries `copies` n to `copies` n + `copies` - 1.

    The problems of different targets share no query, so this is the optimal assignment too.
    """
    count = cost.shape[3]
    own = cost.unflatten(2, (count, copies)).diagonal(dim1=2, dim2=4)  # [L, B, copies, N]
    best = own.argmin(dim=2) + torch.arange(count, device=cost.device) * copies
    return best.where(valid, UNMATCHED)
