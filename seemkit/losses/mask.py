"""Binary cross-entropy and dice of masks at sampled points, as losses and as matching costs.

Shapes: L predictions (decoder layers), B images, N or n targets, Q queries, n points.
Source: Mask2Former (arXiv 2112.01527), section 3.3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from seemkit.ops.points import Candidates, sample_points, uncertain_points


def mask_cost(
    logits: Float[Tensor, "*B Q n"], targets: Float[Tensor, "*b n N"], *, bce: float, dice: float
) -> Float[Tensor, "*B Q N"]:
    """The weighted cost of giving each query each target, from their values at shared points."""
    # softplus(-x) is softplus(x) - x, so that one product serves both classes
    entropy = (F.softplus(logits).sum(-1, keepdim=True) - logits @ targets) / logits.shape[-1]
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
    embeddings: Float[Tensor, "L n C"],
    features: Float[Tensor, "C H W"],
    targets: Float[Tensor, "n h w"],
    points: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "L n"], Float[Tensor, "L n"]]:
    """Binary cross-entropy and dice of every mask with its target, at the mask's own uncertain points.

    Random points are drawn for a target; each of its L masks chooses among them (see `uncertain_points`). The masks are
    not kept for the backward pass but computed again, because they and their points would be most of what the losses
    keep.

    Args:
        embeddings: of the query that each target was matched to, for each prediction.
        features: the mask features of the image.
        targets: 0..1, at any resolution over the same image area.
        points: points a mask.
        generator: a CPU generator.
    """
    with torch.no_grad():
        found = uncertain_points(_masks(embeddings, features), points, generator)
        truth = sample_points(targets[:, None], found.points)
    chosen = found.chosen.int()  # kept until the backward pass, in half the room
    bce, dice = checkpoint(_losses_at, embeddings, features, truth, found.points, chosen, use_reentrant=False)
    return bce.T, dice.T


def _masks(embeddings: Tensor, features: Tensor) -> Float[Tensor, "n L H W"]:
    return torch.einsum("lnc,chw->nlhw", embeddings, features)


def _losses_at(
    embeddings: Tensor, features: Tensor, truth: Float[Tensor, "n 1 m"], points: Tensor, chosen: Tensor
) -> tuple[Float[Tensor, "n L"], Float[Tensor, "n L"]]:
    found = Candidates(points, chosen.long())
    masks = _masks(embeddings, features).flatten(0, 1)[:, None]
    predicted = sample_points(masks, found.of_masks().flatten(0, 1)).view_as(chosen)
    right = truth.expand(-1, len(embeddings), -1).gather(2, found.chosen)
    return bce_loss(predicted, right), dice_loss(predicted, right)
