"""Binary cross-entropy and dice of masks at sampled points, as losses and as matching costs.

Shapes: L predictions (decoder layers), B images, N or n targets, Q queries, n points.
Source: Mask2Former (arXiv 2112.01527), section 3.3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seemkit.ops.points import sample_points, uncertain_points


def mask_cost(
    logits: Float[Tensor, "*B Q n"], targets: Float[Tensor, "*b n N"], *, bce: float, dice: float
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
    logits: Float[Tensor, "L n H W"],
    targets: Float[Tensor, "n h w"],
    points: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "L n"], Float[Tensor, "L n"]]:
    """Binary cross-entropy and dice of every mask with its target, at the mask's own uncertain points.

    Args:
        logits: the mask of the query that each target was matched to, at any resolution.
        targets: 0..1, at any resolution over the same image area.
        points: points a mask.
        generator: a CPU generator.
    """
    layers, count = logits.shape[:2]
    flat = logits.flatten(0, 1)
    with torch.no_grad():
        where = uncertain_points(flat, points, generator)
        by_target = where.view(layers, count, points, 2).transpose(0, 1).flatten(1, 2)
        truth = sample_points(targets[:, None], by_target)[:, 0].view(count, layers, points).transpose(0, 1)
    predicted = sample_points(flat[:, None], where)[:, 0].view(layers, count, points)
    return bce_loss(predicted, truth), dice_loss(predicted, truth)
