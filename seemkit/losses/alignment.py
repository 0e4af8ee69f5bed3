"""Alignment of image features with texts, region by region: a training-only guide for training from scratch.

The mean feature under each ground-truth mask, at every level, must be nearest to its class name among all classes, and
to the phrases that mean it among the regions of its image. This teaches the backbone shapes and colours and the text
tower their names long before the decoder's masks are good enough to do so. The reference starts from pretrained parts
and has no such loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.losses.criterion import Targets


class AlignmentLoss(NamedTuple):
    """Two means over regions or phrases and over levels.

    Attributes:
        classes: cross-entropy of each region's class.
        phrases: cross-entropy of each phrase's region.
    """

    classes: Tensor
    phrases: Tensor


class RegionAlignment(nn.Module):
    """One linear map a feature level into the space of texts, and the loss there.

    Args:
        widths: channels of each level.
        text_width: channels of text embeddings.
        scale: factor on cosines.
    """

    def __init__(self, widths: Sequence[int], text_width: int, scale: float = 14.0) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, text_width) for width in widths)
        self.scale = scale

    def forward(
        self,
        features: Sequence[Tensor],
        targets: Targets,
        classes: Float[Tensor, "K1 C"],
        sentences: Float[Tensor, "T C"],
        phrase_image: Tensor,
        phrase_region: Tensor,
    ) -> AlignmentLoss:
        """The loss of the regions' features.

        Args:
            features: maps [B, C_l, H_l, W_l].
            targets: regions of the images.
            classes: unit vectors of the class names and the background.
            sentences: vectors of T phrases.
            phrase_image: int64 [T], the image of each phrase.
            phrase_region: int64 [T], the region of that image that it means.
        """
        class_losses, phrase_losses = [], []
        texts = F.normalize(sentences, dim=-1)
        for projection, feature in zip(self.projections, features, strict=True):
            regions = F.normalize(projection(_pool(feature, targets.masks)), dim=-1)
            logits = self.scale * regions[targets.valid] @ classes[:-1].T
            class_losses.append(F.cross_entropy(logits, targets.labels[targets.valid]))
            likeness = self.scale * torch.einsum("tnc,tc->tn", regions[phrase_image], texts)
            likeness = likeness.masked_fill(~targets.valid[phrase_image], float("-inf"))
            if len(texts):
                phrase_losses.append(F.cross_entropy(likeness, phrase_region))
        zero = texts.sum() * 0
        return AlignmentLoss(
            torch.stack(class_losses).mean(), torch.stack(phrase_losses).mean() if phrase_losses else zero
        )


def _pool(feature: Float[Tensor, "B C H W"], masks: Float[Tensor, "B N h w"]) -> Float[Tensor, "B N C"]:
    """The mean feature under each mask, whose edges count by the share of the cell that they cover."""
    weight = F.interpolate(masks, size=feature.shape[-2:], mode="area").flatten(2)
    total = weight @ feature.flatten(2).transpose(1, 2)
    return total / weight.sum(dim=2, keepdim=True).clamp(min=1e-4)
