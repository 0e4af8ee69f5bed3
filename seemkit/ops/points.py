"""Points of an image as fractions of its width and height, and features sampled there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def sample_points(features: Float[Tensor, "B C H W"], points: Float[Tensor, "B n 2"]) -> Float[Tensor, "B C n"]:
    """Bilinear features at points (x, y) in 0..1, where 0 and 1 are the outer edges of the first and last cell."""
    sampled = F.grid_sample(features, 2 * points[:, :, None] - 1, mode="bilinear", align_corners=False)
    return sampled[..., 0]


def uncertain_points(
    logits: Float[Tensor, "N H W"], count: int, generator: torch.Generator, oversample: float = 3.0, share: float = 0.75
) -> Float[Tensor, "N n 2"]:
    """Points for each mask, most of them where its logit is closest to zero.

    Args:
        logits: the masks.
        count: n, points a mask.
        generator: a CPU generator.
        oversample: candidates for each point.
        share: fraction of the points that are the most uncertain candidates; the rest is uniform.

    Source: Kirillov et al., PointRend (2020), section 3.1.
    """
    masks, device = len(logits), logits.device
    candidates = torch.rand((masks, int(count * oversample), 2), generator=generator).to(device)
    certainty = sample_points(logits[:, None], candidates)[:, 0].abs()
    chosen = certainty.topk(int(share * count), dim=1, largest=False).indices
    picked = candidates.gather(1, chosen[:, :, None].expand(-1, -1, 2))
    rest = torch.rand((masks, count - picked.shape[1], 2), generator=generator).to(device)
    return torch.cat((picked, rest), dim=1)
