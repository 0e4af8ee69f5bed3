"""Alignment of image features with texts, region by region: a training-only guide for training from scratch.

Each class has a learned vector. The mean feature under each ground-truth mask, at every level, must be nearest to the
vector of its class; the text of each class name must be nearest to that vector too; and a phrase must be nearest to
the region of its image that it means. This teaches the backbone shapes and the text tower their names long before the
decoder's masks are good enough to do so. Class vectors of their own are what makes it work: an untrained text tower
places all names in a few directions, from which the backbone learns slowly. The reference starts from pretrained parts
and has no such loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seemkit.losses.group_losses import Targets
from seemkit.losses.term import Term
from seemkit.types import Size


class AlignmentLoss(NamedTuple):
    """Three cross-entropies.

    Attributes:
        regions: of each region's class, mean over regions and levels.
        names: of each class name's class.
        phrases: of each phrase's region, mean over phrases and levels.
    """

    regions: Term
    names: Term
    phrases: Term


class RegionAlignment(nn.Module):
    """A vector a class, and the losses of regions and texts that should be near it.

    Args:
        text_dim: C, channels of text embeddings.
        classes: K, number of classes.
        scale: factor on cosines.
    """

    def __init__(self, text_dim: int, classes: int, scale: float = 14.0) -> None:
        super().__init__()
        self.classes = nn.Embedding(classes, text_dim)
        self.scale = scale

    def forward(
        self,
        regions: Sequence[Float[Tensor, "B N C"]],
        targets: Targets,
        names: Float[Tensor, "K C"],
        sentences: Float[Tensor, "T C"],
        image: Int[Tensor, " T"],
        region: Int[Tensor, " T"],
    ) -> AlignmentLoss:
        """The losses of the regions' vectors and of the texts.

        Args:
            regions: unit vectors of the targets' features, one tensor a level.
            targets: regions of the images.
            names: unit vectors of the class names' texts.
            sentences: vectors of T phrases.
            image: the image of each phrase.
            region: the region of that image that it means.
        """
        vectors = F.normalize(self.classes.weight, dim=-1)
        right = targets.labels[targets.valid]
        texts = F.normalize(sentences, dim=-1)
        absent = ~targets.valid[image]
        by_class, by_phrase = [], []
        for level in regions:
            by_class.append(F.cross_entropy(self.scale * level[targets.valid] @ vectors.T, right, reduction="sum"))
            likeness = self.scale * torch.einsum("tnc,tc->tn", level[image], texts)
            by_phrase.append(F.cross_entropy(likeness.masked_fill(absent, float("-inf")), region, reduction="sum"))
        named = F.cross_entropy(self.scale * names @ vectors.T, torch.arange(len(names), device=names.device))
        return AlignmentLoss(
            _mean_over_levels(by_class, len(right)),
            _mean_over_levels([named], 1),
            _mean_over_levels(by_phrase, len(texts)),
        )


def _mean_over_levels(totals: Sequence[Tensor], count: int) -> Term:
    total = torch.stack(list(totals)).mean()[None]
    return Term(total, torch.full_like(total, count))


def cell_shares(masks: Bool[Tensor, "B N H W"], shapes: Sequence[Size]) -> list[Float[Tensor, "B N M"]]:
    """The share of each cell of each map that a mask covers."""
    return [F.interpolate(masks.float(), size=tuple(shape), mode="area").flatten(2) for shape in shapes]
