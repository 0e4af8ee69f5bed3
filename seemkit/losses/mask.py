"""Binary cross-entropy and dice of masks at sampled points, as losses and as matching costs.

Shapes: L predictions (decoder layers), Q queries, N targets, n points, C mask channels; n targets in
`matched_mask_losses`.
Source: Mask2Former (arXiv 2112.01527), section 3.3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import BackwardCFunction, Function, FunctionCtx, once_differentiable
from torch.utils.checkpoint import checkpoint

from seemkit.ops.points import MaskPoints, points_of_masks, sample_points, uncertain_points

CHUNK = 1024
"""Points compared at a time, so that intermediate results stay in the processor's cache."""


def mask_cost(
    embeddings: Float[Tensor, "Q C"],
    features: Float[Tensor, "C n"],
    targets: Float[Tensor, "n N"],
    *,
    bce: float,
    dice: float,
) -> Float[Tensor, "Q N"]:
    """Return the weighted cost of assigning each target to each query, from their values at n shared points.

    Args:
        embeddings: mask embeddings of the queries.
        features: mask features at the points.
        targets: values of the target masks at the points, 0..1.
        bce: weight of the binary cross-entropy.
        dice: weight of the dice loss.
    """
    overlap = embeddings.new_zeros(len(embeddings), targets.shape[1])
    total, entropy = (embeddings.new_zeros(len(embeddings), 1) for _ in range(2))
    for some, truth in zip(features.split(CHUNK, dim=1), targets.split(CHUNK), strict=True):
        logits = embeddings @ some
        entropy += F.softplus(logits).sum(-1, keepdim=True)
        probability = logits.sigmoid_()
        total += probability.sum(-1, keepdim=True)
        overlap += probability @ truth
    # softplus(-x) = softplus(x) - x: one softplus serves both classes, and the remaining term is linear in the logits
    entropy = (entropy - embeddings @ (features @ targets)) / len(targets)
    return bce * entropy + dice * (1 - (2 * overlap + 1) / (total + targets.sum(0) + 1))


def bce_loss(logits: Float[Tensor, "*N n"], targets: Float[Tensor, "*N n"]) -> Float[Tensor, "*N"]:
    """Return the binary cross-entropy of each mask, averaged over its points."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)


def dice_loss(logits: Float[Tensor, "*N n"], targets: Float[Tensor, "*N n"]) -> Float[Tensor, "*N"]:
    """Return the dice loss of each mask over its points, with 1 added to numerator and denominator."""
    probability = logits.sigmoid()
    overlap = 2 * (probability * targets).sum(-1)
    return 1 - (overlap + 1) / (probability.sum(-1) + targets.sum(-1) + 1)


def matched_mask_losses(
    embeddings: Float[Tensor, "L n C"],
    features: Float[Tensor, "C H W"],
    targets: Float[Tensor, "n h w"] | Bool[Tensor, "n h w"],
    points: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "L n"], Float[Tensor, "L n"]]:
    """Return binary cross-entropy and dice of every mask with its target, at the mask's own uncertain points.

    Random points are drawn per target; each of its L masks chooses among them (see `uncertain_points`). The masks are
    computed once and not kept for the backward pass. They are linear in embeddings and features, so their gradient
    needs only the points.

    Args:
        embeddings: mask embedding of the query matched to each target, for each prediction.
        features: mask features of the image.
        targets: target masks, bool or 0..1, at any resolution over the same image area.
        points: points per mask.
        generator: a CPU generator.
    """
    with torch.no_grad():
        found = uncertain_points(torch.einsum("lnc,chw->nlhw", embeddings, features), points, generator)
        truth = sample_points(targets[:, None].float(), found.points)
    values = _values_at(embeddings, features, found)
    bce, dice = checkpoint(_losses_at, values, truth, found.chosen, use_reentrant=False)
    return bce.T, dice.T


def _losses_at(
    values: Float[Tensor, "n L m"], truth: Float[Tensor, "n 1 k"], chosen: Tensor
) -> tuple[Float[Tensor, "n L"], Float[Tensor, "n L"]]:
    right = truth.expand(-1, values.shape[1], -1).gather(2, chosen.long())
    return bce_loss(values, right), dice_loss(values, right)


def _values_at(embeddings: Tensor, features: Tensor, found: MaskPoints) -> Float[Tensor, "n L m"]:
    """Return the values of masks at their points, with gradients to embeddings and features."""
    values: Tensor = _ValuesAt.apply(embeddings, features, *found)
    return values


class _ValuesAt(Function):
    """Values that were computed without gradient, with the gradient they should have."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, embeddings: Tensor, features: Tensor, points: Tensor, chosen: Tensor, values: Tensor
    ) -> Tensor:
        ctx.save_for_backward(embeddings, features, points, chosen)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[Tensor | None, ...]:
        embeddings, features, points, chosen = list(ctx.saved_tensors)
        wanted = list(ctx.needs_input_grad)
        where = points_of_masks(points, chosen).flatten(0, 1)
        with torch.enable_grad():  # sampling is linear, so the gradient does not depend on the masks' values
            masks = features.new_zeros((len(where), 1, *features.shape[1:]), requires_grad=True)
            sampled = sample_points(masks, where)
        (spread,) = torch.autograd.grad(sampled, masks, gradient.flatten(0, 1)[:, None].to(masks))
        spread = spread.view(*chosen.shape[:2], *features.shape[1:])
        to_embeddings = torch.einsum("nlhw,chw->lnc", spread, features) if wanted[0] else None
        to_features = torch.einsum("nlhw,lnc->chw", spread, embeddings) if wanted[1] else None
        return to_embeddings, to_features, None, None, None
