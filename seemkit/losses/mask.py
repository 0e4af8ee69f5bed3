"""Binary cross-entropy and dice of masks at sampled points, as losses and as matching costs.

Shapes: L predictions (decoder layers), B images, N targets, Q queries, n points.
Source: Mask2Former (arXiv 2112.01527), section 3.3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.ops.points import sample_points, uncertain_points


def mask_cost(
    logits: Float[Tensor, "*B Q n"], targets: Float[Tensor, "*b n N"], *, bce: float = 5.0, dice: float = 5.0
) -> Float[Tensor, "*B Q N"]:
    """The weighted cost of giving each query each target, from their values at shared points."""
    count = logits.shape[-1]
    positive, negative = F.softplus(-logits), F.softplus(logits)
    entropy = (positive @ targets + negative @ (1 - targets)) / count
    probability = logits.sigmoid()
    overlap = 2 * (probability @ targets)
    total = probability.sum(-1, keepdim=True) + targets.sum(-2, keepdim=True)
    return bce * entropy + dice * (1 - (overlap + 1) / (total + 1))


def bce_loss(logits: Float[Tensor, "*N n"], targets: Float[Tensor, "*N n"]) -> Float[Tensor, "*N"]:
    """Binary cross-entropy of each mask, averaged over its points."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)


def dice_loss(logits: Float[Tensor, "*N n"], targets: Float[Tensor, "*N n"]) -> Float[Tensor, "*N"]:
    """Dice loss of each mask over its points, with 1 added to numerator and denominator."""
    probability = logits.sigmoid()
    overlap = 2 * (probability * targets).sum(-1)
    return 1 - (overlap + 1) / (probability.sum(-1) + targets.sum(-1) + 1)


def matched_mask_losses(
    logits: Float[Tensor, "L B N H W"],
    targets: Float[Tensor, "B N h w"],
    valid: Bool[Tensor, "L B N"],
    points: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The sums over valid pairs of binary cross-entropy and of dice, at uncertain points.

    Args:
        logits: the mask of the query that each target was matched to, at any resolution.
        targets: 0..1, at any resolution over the same image area.
        valid: False where a target is padding or found no query.
        points: n, points a mask.
        generator: a CPU generator.
    """
    layers, batch, count = valid.shape
    flat = logits.flatten(0, 2)
    with torch.no_grad():
        where = uncertain_points(flat, points, generator)
    predicted = sample_points(flat[:, None], where)[:, 0].view(layers, batch, count, points)
    by_target = where.view(layers, batch * count, points, 2).transpose(0, 1).flatten(1, 2)
    truth = sample_points(targets.flatten(0, 1)[:, None], by_target)[:, 0]
    truth = truth.view(batch, count, layers, points).permute(2, 0, 1, 3)
    weight = valid.to(predicted.dtype)
    return (bce_loss(predicted, truth) * weight).sum(), (dice_loss(predicted, truth) * weight).sum()
