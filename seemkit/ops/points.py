"""Points of an image as fractions of its width and height, and features sampled there."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def sample_points(features: Float[Tensor, "B C H W"], points: Float[Tensor, "B n 2"]) -> Float[Tensor, "B C n"]:
    """Bilinear features at points (x, y) in 0..1, where 0 and 1 are the outer edges of the first and last cell."""
    sampled = F.grid_sample(features, 2 * points[:, :, None] - 1, mode="bilinear", align_corners=False)
    return sampled[..., 0]


class Candidates(NamedTuple):
    """Random points of N images, and which of them each of L masks of an image uses.

    Attributes:
        points: [N, m, 2].
        chosen: int64 [N, L, n], indices of points.
    """

    points: Tensor
    chosen: Tensor

    def of_masks(self) -> Float[Tensor, "N L n 2"]:
        """The points of each mask."""
        points = self.points[:, None].expand(-1, self.chosen.shape[1], -1, -1)
        return points.gather(2, self.chosen[..., None].expand(-1, -1, -1, 2))


def uncertain_points(
    logits: Float[Tensor, "N L H W"],
    count: int,
    generator: torch.Generator,
    oversample: float = 3.0,
    share: float = 0.75,
) -> Candidates:
    """Points for each mask, most of them where its logit is closest to zero.

    The masks of one image choose among the same random points, which costs a fraction of drawing for each mask.

    Args:
        logits: the masks.
        count: n, points a mask.
        generator: a CPU generator.
        oversample: candidates for each point.
        share: fraction of the points that are the most uncertain candidates; the rest is uniform.

    Source: Kirillov et al., PointRend (2020), section 3.1.
    """
    images, masks = logits.shape[:2]
    candidates = torch.rand((images, int(count * oversample), 2), generator=generator).to(logits.device)
    certainty = sample_points(logits, candidates).abs_()
    uncertain = certainty.topk(int(share * count), dim=2, largest=False, sorted=False).indices
    rest = torch.rand((images, count - uncertain.shape[2], 2), generator=generator).to(logits.device)
    behind = candidates.shape[1] + torch.arange(rest.shape[1], device=logits.device).expand(images, masks, -1)
    return Candidates(torch.cat((candidates, rest), dim=1), torch.cat((uncertain, behind), dim=2))
