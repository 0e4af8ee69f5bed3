"""Points of an image as fractions of its width and height, and features sampled there."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from seemkit.ops.transfer import send


def sample_points(features: Float[Tensor, "B C H W"], points: Float[Tensor, "B n 2"]) -> Float[Tensor, "B C n"]:
    """Return bilinear features at points (x, y) in 0..1; 0 and 1 are the outer edges of the first and last cell."""
    sampled = F.grid_sample(features, 2 * points[:, :, None] - 1, mode="bilinear", align_corners=False)
    return sampled[..., 0]


class MaskPoints(NamedTuple):
    """Random points of N images, and which of them each of an image's L masks uses.

    Attributes:
        points: [N, m, 2], (x, y) in 0..1.
        chosen: [N, L, n], indices of points, in a small dtype because training keeps them until the backward pass.
        values: [N, L, n], logits of the masks at the chosen points.
    """

    points: Tensor
    chosen: Tensor
    values: Tensor

    def of_masks(self) -> Float[Tensor, "N L n 2"]:
        """Return the points of each mask."""
        return points_of_masks(self.points, self.chosen)


def points_of_masks(points: Float[Tensor, "N m 2"], chosen: Int[Tensor, "N L n"]) -> Float[Tensor, "N L n 2"]:
    """Return the chosen points of each mask."""
    each = points[:, None].expand(-1, chosen.shape[1], -1, -1)
    return each.gather(2, chosen[..., None].long().expand(-1, -1, -1, 2))


def uncertain_points(
    logits: Float[Tensor, "N L H W"],
    count: int,
    generator: torch.Generator,
    oversample: float = 3.0,
    share: float = 0.75,
) -> MaskPoints:
    """Return points for each mask, most of them where its logit is closest to zero.

    The masks of one image choose among the same random points, which is much cheaper than drawing points for each mask.

    Args:
        logits: mask logits.
        count: n, points per mask.
        generator: a CPU generator.
        oversample: candidates per point.
        share: fraction of the points that are the most uncertain candidates; the others are uniformly random.

    Source: Kirillov et al., PointRend (2020), section 3.1.
    """
    candidates, uncertain = int(count * oversample), int(share * count)
    drawn = [torch.rand((len(logits), n, 2), generator=generator) for n in (candidates, count - uncertain)]
    points = send(torch.cat(drawn, dim=1), logits.device)
    rest = torch.arange(candidates, points.shape[1], device=logits.device).expand(logits.shape[1], -1)
    values = logits.new_empty((*logits.shape[:2], count))
    chosen = torch.empty_like(values, dtype=torch.uint16 if points.shape[1] <= 1 << 16 else torch.int32)
    for image, at in enumerate(points):  # for all images at once it would be a training step's largest tensor
        sampled = sample_points(logits[image][None], at[None])[0]
        nearest = sampled[:, :candidates].abs().topk(uncertain, dim=1, largest=False, sorted=False).indices
        index = torch.cat((nearest, rest), dim=1)
        chosen[image], values[image] = index, sampled.gather(1, index)
    return MaskPoints(points, chosen, values)
