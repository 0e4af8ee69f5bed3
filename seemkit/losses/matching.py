"""Matching of targets to queries: costs of the choice and of masks at random points, and the assignment.

Shapes: L predictions, B images, Q queries, N targets, K classes, C mask channels.
Source: Mask2Former (arXiv 2112.01527), section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seemkit.losses.group_losses import Targets
from seemkit.losses.hungarian import UNMATCHED, assign, assign_owned
from seemkit.losses.mask import mask_cost
from seemkit.losses.weights import GroupWeights
from seemkit.ops.points import sample_points
from seemkit.ops.transfer import send


class SharedPoints(NamedTuple):
    """Random points of an image, at which the masks of all query groups are compared with targets.

    Attributes:
        points: [1, n, 2], (x, y) in 0..1.
        features: [C, n], the mask features at the points.
    """

    points: Tensor
    features: Tensor


@torch.no_grad()
def share_points(
    features: Float[Tensor, "B C H W"], points: int, generators: Sequence[torch.Generator]
) -> list[SharedPoints]:
    """Return the shared points of each image.

    Args:
        features: mask features.
        points: points per image.
        generators: one CPU generator per image.
    """
    found = []
    for own, generator in zip(features, generators, strict=True):
        drawn = send(torch.rand((1, points, 2), generator=generator), features.device)
        # grid_sample is several times faster if the channels of a cell are adjacent in memory
        together = own[None].contiguous(memory_format=torch.channels_last)
        found.append(SharedPoints(drawn, sample_points(together, drawn)[0].float()))
    return found


@torch.no_grad()
def match(
    choice_cost: Float[Tensor, "L B Q N"],
    embeddings: Float[Tensor, "L B Q C"],
    targets: Targets,
    shared: Sequence[SharedPoints],
    weights: GroupWeights,
    copies: int = 0,
) -> Int[Tensor, "L B N"]:
    """Return the query of each target at the lowest total cost, `UNMATCHED` for padding and surplus targets.

    Args:
        choice_cost: cost of the choice alone.
        embeddings: mask embeddings of the queries.
        targets: targets of the images.
        shared: shared points of each image.
        weights: weights of the costs.
        copies: if not 0, target n is only matched to queries `copies` * n to `copies` * (n + 1) - 1.
    """
    costs = []
    for image, (rows, at) in enumerate(zip(targets.places, shared, strict=True)):
        truth = sample_points(targets.masks[image, rows].float()[None], at.points)[0].T
        together = embeddings[:, image].float().flatten(0, 1)
        masks = mask_cost(together, at.features, truth, bce=weights.bce, dice=weights.dice)
        choice = choice_cost[:, image, :, rows].float()
        costs.append(weights.choice * choice + masks.unflatten(0, (len(embeddings), -1)))
    if copies:
        found = [assign_owned(cost, rows, copies) for cost, rows in zip(costs, targets.places, strict=True)]
    else:
        found = assign(costs)
    queries = torch.full((len(choice_cost), *targets.valid.shape), UNMATCHED, device=embeddings.device)
    for image, rows in enumerate(targets.places):
        queries[:, image, rows] = found[image]
    return queries


def choice_cost(scores: Float[Tensor, "L B N Q"]) -> Float[Tensor, "L B Q N"]:
    """Return minus the probability that a target chooses a query."""
    return -scores.float().softmax(dim=-1).transpose(-1, -2)


def class_cost(logits: Float[Tensor, "L B Q K1"], targets: Targets) -> Float[Tensor, "L B Q N"]:
    """Return minus the probability that a query has a target's class."""
    labels = targets.labels[None, :, None].expand(len(logits), -1, logits.shape[2], -1)
    return -logits.float().softmax(dim=-1).gather(3, labels)
