"""What each group of queries must learn, on all predictions of the decoder.

Every group has the same shape of loss: targets are assigned to queries by cost; the assigned masks must fit (binary
cross-entropy and dice); and the choice must be right: object queries choose a class, phrases choose a text query, and
prompted objects choose one of their own visual queries. Source: SEEM (arXiv 2304.06718), section 3.3 and appendix.

Shapes: L predictions, B images, Q queries, N targets, K classes, C mask channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seemkit.losses.hungarian import UNMATCHED, assign, assign_owned
from seemkit.losses.mask import mask_cost, matched_mask_losses
from seemkit.ops.points import sample_points

CHOICE_COST = 2.0
NO_OBJECT_WEIGHT = 0.1


@dataclass(frozen=True)
class GroupWeights:
    """Weights of one group's losses.

    Attributes:
        choice: cross-entropy of the class or of the chosen query.
        bce: binary cross-entropy of the masks.
        dice: dice loss of the masks.
    """

    choice: float
    bce: float
    dice: float


@dataclass(frozen=True)
class Criterion:
    """The weights of all losses and the number of points they look at; defaults are the reference's.

    Attributes:
        objects: object queries.
        phrases: text queries; the reference doubles `choice` for phrases.
        visual: visual queries.
        label: weight of the class of visual queries, so that a clicked mask has a label; 0 in the reference.
        points: points a mask in losses, and shared points an image in matching.
    """

    objects: GroupWeights = field(default_factory=lambda: GroupWeights(2.0, 5.0, 5.0))
    phrases: GroupWeights = field(default_factory=lambda: GroupWeights(0.8, 1.0, 1.0))
    visual: GroupWeights = field(default_factory=lambda: GroupWeights(0.4, 1.0, 1.0))
    label: float = 0.0
    points: int = 12544


class Targets(NamedTuple):
    """Padded targets of B images.

    Attributes:
        masks: float [B, N, H, W], 0 or 1, over the padded image.
        valid: bool [B, N]; valid targets come first.
        labels: int64 [B, N], class indices; 0 for padding.
    """

    masks: Tensor
    valid: Tensor
    labels: Tensor


class Matched(NamedTuple):
    """The assignment of a group and what its masks cost.

    Attributes:
        queries: int64 [L, B, N], the query of each target or `UNMATCHED`.
        bce: the sum over matched pairs.
        dice: the sum over matched pairs.
    """

    queries: Tensor
    bce: Tensor
    dice: Tensor


def match(
    choice_cost: Float[Tensor, "L B Q N"],
    embeddings: Float[Tensor, "L B Q C"],
    features: Float[Tensor, "B C H W"],
    targets: Targets,
    points: int,
    generator: torch.Generator,
    copies: int = 0,
) -> Matched:
    """Targets assigned to queries, and the mask losses of the assigned pairs; no other mask is computed.

    Args:
        choice_cost: the cost of the choice alone, added with weight 2.
        embeddings: mask embeddings of the queries.
        features: mask features.
        targets: what to find.
        points: points a mask.
        generator: a CPU generator.
        copies: if not 0, target n may only have queries `copies` n up to `copies` (n + 1) - 1.
    """
    with torch.no_grad():
        shared = torch.rand((len(features), points, 2), generator=generator).to(features.device)
        logits = embeddings.float() @ sample_points(features, shared).float()
        truth = sample_points(targets.masks, shared).transpose(1, 2)
        cost = CHOICE_COST * choice_cost.float() + mask_cost(logits, truth)
        queries = assign_owned(cost, targets.valid, copies) if copies else assign(cost, targets.valid)
    valid = queries != UNMATCHED
    index = queries.clamp(min=0)[..., None].expand(-1, -1, -1, embeddings.shape[-1])
    masks = torch.einsum("lbnc,bchw->lbnhw", embeddings.gather(2, index).float(), features.float())
    bce, dice = matched_mask_losses(masks, targets.masks, valid, points, generator)
    return Matched(queries, bce, dice)


def class_choice(
    logits: Float[Tensor, "L B Q K1"], queries: Int[Tensor, "L B N"], targets: Targets
) -> Float[Tensor, ""]:
    """The cross-entropy of all object queries over K classes and the background, summed over layers.

    Queries without a target should say background, with weight 0.1; the mean of each layer is weighted.
    """
    background = logits.shape[-1] - 1
    wanted = torch.full(logits.shape[:3], background, device=logits.device)
    layer, image, target = (queries != UNMATCHED).nonzero(as_tuple=True)
    wanted[layer, image, queries[layer, image, target]] = targets.labels[image, target]
    weight = torch.ones(background + 1, device=logits.device)
    weight[-1] = NO_OBJECT_WEIGHT
    losses = [
        F.cross_entropy(rows.flatten(0, 1).float(), right.flatten(), weight)
        for rows, right in zip(logits, wanted, strict=True)
    ]
    return torch.stack(losses).sum()


def query_choice(scores: Float[Tensor, "L B N Q"], queries: Int[Tensor, "L B N"]) -> Float[Tensor, ""]:
    """The cross-entropy of each target's choice among queries; mean over targets of an image, then over images.

    Summed over layers; images without a matched target do not count.
    """
    valid = queries != UNMATCHED
    entropy = F.cross_entropy(scores.flatten(0, 2).float(), queries.clamp(min=0).flatten(), reduction="none").view_as(
        queries
    )
    counts = valid.sum(dim=2)
    per_image = (entropy * valid).sum(dim=2) / counts.clamp(min=1)
    return (per_image.sum(dim=1) / (counts > 0).sum(dim=1).clamp(min=1)).sum()


def label_loss(logits: Float[Tensor, "L B Q K1"], queries: Int[Tensor, "L B N"], targets: Targets) -> Float[Tensor, ""]:
    """The cross-entropy of the matched queries' classes; mean over pairs, summed over layers."""
    layer, image, target = (queries != UNMATCHED).nonzero(as_tuple=True)
    if not len(layer):
        return logits.sum() * 0
    rows = logits[layer, image, queries[layer, image, target]].float()
    return F.cross_entropy(rows, targets.labels[image, target]) * len(logits)


def choice_cost(scores: Float[Tensor, "L B N Q"]) -> Float[Tensor, "L B Q N"]:
    """Minus the probability that a target chooses a query."""
    return -scores.float().softmax(dim=-1).transpose(-1, -2)


def class_cost(logits: Float[Tensor, "L B Q K1"], targets: Targets) -> Float[Tensor, "L B Q N"]:
    """Minus the probability that a query has a target's class."""
    labels = targets.labels[None, :, None].expand(len(logits), -1, logits.shape[2], -1)
    return -logits.float().softmax(dim=-1).gather(3, labels)


def hide_absent(scores: Float[Tensor, "L B N R"], valid: Bool[Tensor, "B N"], copies: int) -> Float[Tensor, "L B N R"]:
    """Scores of owned queries with those of padding objects at minus infinity, so that nobody chooses them."""
    present = valid.repeat_interleave(copies, dim=1)[None, :, None] | ~valid.any(dim=1)[None, :, None, None]
    return scores.masked_fill(~present, float("-inf"))
