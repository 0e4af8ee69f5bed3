"""Alignment of image features with texts, segment by segment: an auxiliary loss for training from scratch.

Each class has a learned vector. Three things are aligned:

* The mean feature under each ground-truth mask, at every level, must be nearest to the vector of its class.
* The text of each class name must be nearest to the vector of that class.
* A phrase must be nearest to the segment of its image that it refers to.

The backbone thus learns shapes, and the text tower their names, long before the decoder's masks are good enough for
it. Separate class vectors are essential: an untrained text tower places all names in a few directions, from which the
backbone learns slowly. The reference starts from pretrained parts and has no such loss.
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
        regions: cross-entropy of each segment's class, mean over segments and levels.
        names: cross-entropy of each class name's class, mean over names.
        phrases: cross-entropy of each phrase's segment, mean over phrases and levels.
    """

    regions: Term
    names: Term
    phrases: Term


class RegionAlignment(nn.Module):
    """One learned vector per class, and the losses that pull segments and texts toward it.

    Args:
        text_dim: C, channels of text embeddings.
        classes: K, number of classes.
        scale: factor of the cosines.
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
        """Return the losses of the segments and the texts.

        Args:
            regions: unit vectors of the features under the targets' masks, one tensor per level.
            targets: segments of the images.
            names: unit vectors of the class names' texts.
            sentences: vectors of T phrases.
            image: index of each phrase's image.
            region: index of the segment in that image that each phrase refers to.
        """
        vectors = F.normalize(self.classes.weight, dim=-1)
        right = targets.of_all(targets.labels)
        texts = F.normalize(sentences, dim=-1)
        absent = ~targets.valid[image]
        by_class, by_phrase = [], []
        for level in regions:
            by_class.append(F.cross_entropy(self.scale * targets.of_all(level) @ vectors.T, right, reduction="sum"))
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
    """Return the share of each cell that each mask covers, 0..1, one tensor per map size."""
    return [F.interpolate(masks.float(), size=tuple(shape), mode="area").flatten(2) for shape in shapes]
