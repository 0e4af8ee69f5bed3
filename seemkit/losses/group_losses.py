"""The losses of each query group, on all predictions of the decoder.

Every group has the same losses. Targets are assigned to queries by cost. The assigned masks must fit their targets
(binary cross-entropy and dice), and the choice must be right: object queries choose a class, phrases choose a text
query, and prompted objects choose one of their own visual queries.

Shapes: L predictions, B images, Q queries, N targets, K classes, C mask channels.
Source: SEEM (arXiv 2304.06718), section 3.3 and appendix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seemkit.losses.hungarian import UNMATCHED
from seemkit.losses.mask import bce_loss, dice_loss, matched_mask_losses
from seemkit.losses.term import Term
from seemkit.ops.transfer import send

NO_OBJECT_WEIGHT = 0.1


@dataclass(frozen=True)
class Targets:
    """Padded targets of B images.

    Attributes:
        masks: bool [B, N, H, W], over the padded input.
        valid: bool [B, N], False for padding.
        labels: int64 [B, N], class indices; 0 for padding.
        rows: the same as `valid`, as the rows of each image. The host knows them, so that no step waits for them;
            without them they are read from `valid`, once.
    """

    masks: Tensor
    valid: Tensor
    labels: Tensor
    rows: Sequence[Sequence[int]] = ()

    def __post_init__(self) -> None:
        if not self.rows:
            rows = [[row for row, valid in enumerate(image) if valid] for image in self.valid.tolist()]
            object.__setattr__(self, "rows", rows)

    @cached_property
    def places(self) -> Sequence[Int[Tensor, " n"]]:
        """The same rows, on the device of the masks."""
        joint = torch.tensor([row for rows in self.rows for row in rows], dtype=torch.int64)
        return send(joint, self.masks.device).split([len(rows) for rows in self.rows])

    def of_all(self, values: Tensor) -> Tensor:
        """Return the rows of `values`, [B, N, ...], that are no padding, image by image, [n, ...]."""
        return torch.cat([values[image, rows] for image, rows in enumerate(self.places)])


def mask_terms(
    embeddings: Float[Tensor, "L B Q C"],
    features: Float[Tensor, "B C H W"],
    targets: Targets,
    queries: Int[Tensor, "L B N"],
    points: int,
    generators: Sequence[torch.Generator],
) -> tuple[Term, Term]:
    """Return binary cross-entropy and dice of the matched masks, divided by the number of targets.

    No other mask is computed. Images are processed one at a time, so the points of an image depend only on its own
    generator and targets, not on the rest of the batch.

    Args:
        embeddings: mask embeddings of the queries.
        features: mask features.
        targets: targets of the images.
        queries: query matched to each target, or `UNMATCHED`.
        points: points per mask.
        generators: one CPU generator per image.
    """
    bce, dice = [embeddings.new_zeros((), dtype=torch.float32)], [embeddings.new_zeros((), dtype=torch.float32)]
    # unbind, because the backward pass of an index would fill a tensor of the whole batch for each image
    parts = zip(embeddings.unbind(1), features.unbind(), generators, strict=True)
    for image, (own, maps, generator) in enumerate(parts):
        rows = targets.places[image]
        if not len(rows):
            continue  # draws nothing from the generator, as in a batch without the group
        found, truth = queries[:, image, rows], targets.masks[image, rows]
        index = found.clamp(min=0)[..., None].expand(-1, -1, embeddings.shape[-1])
        picked = own.float().gather(1, index)
        losses = matched_mask_losses(picked, maps.float(), truth, points, generator)
        for sums, loss in zip((bce, dice), losses, strict=True):
            sums.append((loss * (found != UNMATCHED)).sum())
    counted = targets.valid.sum().float()[None]
    return Term(torch.stack(bce).sum()[None], counted), Term(torch.stack(dice).sum()[None], counted)


def dense_mask_terms(masks: Float[Tensor, "B N h w"], targets: Targets) -> tuple[Term, Term]:
    """Return binary cross-entropy and dice of masks at all of their cells, divided by the number of targets.

    Args:
        masks: mask logits, one for each target, whose size divides the targets' size.
        targets: targets of the images.
    """
    truth = F.adaptive_avg_pool2d(targets.masks.float(), (masks.shape[-2], masks.shape[-1]))
    counted = targets.valid.sum().float()[None]
    losses = (loss(masks.float().flatten(2), truth.flatten(2)) for loss in (bce_loss, dice_loss))
    bce, dice = ((loss * targets.valid).sum()[None] for loss in losses)
    return Term(bce, counted), Term(dice, counted)


def class_choice(logits: Float[Tensor, "L B Q K1"], queries: Int[Tensor, "L B N"], targets: Targets) -> Term:
    """Return the cross-entropy of all object queries over K classes and the background, a weighted mean over queries.

    Queries without a target should predict the background; their weight is 0.1.
    """
    background = logits.shape[-1] - 1
    layers, images, count = logits.shape[:3]
    wanted = torch.full((layers, images, count + 1), background, device=logits.device)
    places = torch.where(queries == UNMATCHED, count, queries)  # the last column is for nobody
    wanted = wanted.scatter(2, places, targets.labels.expand_as(queries))[..., :count]
    weight = torch.where(wanted == background, NO_OBJECT_WEIGHT, 1.0)
    entropy = F.cross_entropy(logits.flatten(0, 2).float(), wanted.flatten(), reduction="none").view_as(wanted)
    return Term((entropy * weight).sum(dim=(1, 2)), weight.sum(dim=(1, 2)))


def query_choice(
    scores: Float[Tensor, "L B N Q"], queries: Int[Tensor, "L B N"], factors: Float[Tensor, " B"] | None = None
) -> Term:
    """Return the cross-entropy of each target's choice among queries: mean over an image's targets, then over images.

    Images without a matched target do not count.

    Args:
        scores: score of each pair of target and query.
        queries: query assigned to each target.
        factors: weight of each image's loss; None means 1.
    """
    valid = queries != UNMATCHED
    entropy = F.cross_entropy(scores.flatten(0, 2).float(), queries.clamp(min=0).flatten(), reduction="none").view_as(
        queries
    )
    counts = valid.sum(dim=2)
    per_image = (entropy * valid).sum(dim=2) / counts.clamp(min=1)
    if factors is not None:
        per_image = per_image * factors
    return Term(per_image.sum(dim=1), (counts > 0).sum(dim=1).float())


def label_loss(logits: Float[Tensor, "L B Q K1"], queries: Int[Tensor, "L B N"], targets: Targets) -> Term:
    """Return the cross-entropy of the matched queries' classes, mean over pairs of query and target."""
    valid = queries != UNMATCHED
    index = queries.clamp(min=0)[..., None].expand(-1, -1, -1, logits.shape[-1])
    labels = targets.labels.expand_as(queries)
    rows = logits.gather(2, index).float()
    entropy = F.cross_entropy(rows.flatten(0, 2), labels.flatten(), reduction="none").view_as(queries)
    return Term((entropy * valid).sum(dim=(1, 2)), valid.sum(dim=(1, 2)).float())


def hide_absent(scores: Float[Tensor, "L B N R"], valid: Bool[Tensor, "B N"], copies: int) -> Float[Tensor, "L B N R"]:
    """Return the scores with the queries of padding objects at minus infinity, so that no target chooses them.

    The scores of an image without objects stay as they are.
    """
    present = valid.repeat_interleave(copies, dim=1)[None, :, None] | ~valid.any(dim=1)[None, :, None, None]
    return scores.masked_fill(~present, float("-inf"))
