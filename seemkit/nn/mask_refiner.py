"""The mask refiner: convolutions that correct the mask of a visually prompted object. The reference has none.

A mask of the decoder is linear in the mask features, so one click changes it everywhere in the same way. The refiner
sees what the mask looks like, where the prompts are, and the mask of the previous round, and adds a correction. Its
first convolution of the mask features is shared by all objects of an image and computed once, with the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seemkit.ops.memory_format import channels_last
from seemkit.ops.region import sample_pixels
from seemkit.ops.transfer import send
from seemkit.types import Size

STRIDE = 4
"""The refiner works at this stride of the network's input."""
SIGMAS = (1.0, 5.0, 16.0)
"""Radii of the spots around the points of prompts, in cells of the refiner."""
DILATIONS = (1, 2, 4, 8)
SOFT = 4.0
"""Mask logits are divided by this and pass through tanh before the refiner reads them."""
MAPS = 2 + 2 * (len(SIGMAS) + 1)
"""Maps of an object: its mask, the previous mask, and for each sign the likeness and the spots of each radius."""


@dataclass(frozen=True, slots=True)
class PromptPoints:
    """The points of B images that visual prompts mark.

    Attributes:
        pixels: [B, N, 2], (row, column) in pixels of the network's input.
        positive: bool [B, N].
        owner: int64 [B, N], index of the object; negative for padding.
    """

    pixels: Float[Tensor, "B N 2"]
    positive: Bool[Tensor, "B N"]
    owner: Int[Tensor, "B N"]


class MaskRefiner(nn.Module):
    """Adds a correction to mask logits.

    Args:
        mask_dim: channels of the mask features.
        channels: channels of the refiner.
        scale: cells of the mask features in a cell of the refiner, in each direction: 2 for mask features at stride 2.
    """

    def __init__(self, mask_dim: int, channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.guide = nn.Conv2d(mask_dim, 2 * channels, 1)
        self.enter = nn.Conv2d(MAPS, channels, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=d, dilation=d) for d in DILATIONS)
        self.leave = nn.Conv2d(channels, scale * scale, 1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def encode(self, features: Float[Tensor, "B Cm H W"]) -> Float[Tensor, "B 2*C H/s W/s"]:
        """Return what the refiner reads of an image, from its mask features.

        The first half of the channels enters the first layer. The second half is compared with itself at the points.
        """
        guide: Tensor = self.guide(features)  # before pooling, because it has fewer channels
        return F.avg_pool2d(guide, self.scale) if self.scale > 1 else guide

    def forward(
        self,
        masks: Float[Tensor, "B P H W"],
        guide: Float[Tensor, "B 2*C H/s W/s"],
        points: PromptPoints,
        owners: Int[Tensor, "B P"],
        padded: Size,
        previous: Float[Tensor, "B P H W"] | None,
    ) -> Float[Tensor, "B P H W"]:
        """Return the corrected mask logits.

        Args:
            masks: mask logits of the objects, at the resolution of the mask features.
            guide: result of `encode`.
            points: the points of the objects' prompts.
            owners: the objects; negative for padding.
            padded: height and width of the network's input.
            previous: mask logits of the previous round; None in the first round.
        """
        own, compared = guide.chunk(2, dim=1)
        spots = draw_spots(points, owners, padded, Size(*guide.shape[-2:]))
        alike = likeness(compared, points, owners, padded)
        now = self._shrink(masks)
        before = torch.zeros_like(now) if previous is None else self._shrink(previous)
        maps = torch.cat((now[:, :, None], before[:, :, None], alike, spots.to(now)), dim=2).flatten(0, 1)
        entered = self.enter(channels_last(maps)).unflatten(0, masks.shape[:2])
        state = F.relu((entered + own[:, None]).flatten(0, 1))
        for layer in self.layers:
            state = state + F.relu(layer(state))
        correction = F.pixel_shuffle(self.leave(state), self.scale)[:, 0]
        return masks + correction.unflatten(0, masks.shape[:2])

    def _shrink(self, logits: Float[Tensor, "B P H W"]) -> Float[Tensor, "B P H/s W/s"]:
        soft = torch.tanh(logits / SOFT)
        return F.avg_pool2d(soft, self.scale) if self.scale > 1 else soft


def draw_spots(
    points: PromptPoints, owners: Int[Tensor, "B P"], padded: Size, shape: Size
) -> Float[Tensor, "B P S H W"]:
    """Return Gaussian spots around the points of each object: positive ones of each radius, then negative ones.

    Spots that overlap add up to 1 at most.

    Args:
        points: the points.
        owners: the objects; negative for padding.
        padded: height and width of the network's input.
        shape: height and width of the result.
    """
    cell = send(torch.tensor([padded.height / shape.height, padded.width / shape.width]), points.pixels.device)
    places = (points.pixels + 0.5) / cell - 0.5
    found = []
    for mine in _assigned(points, owners, places.dtype):
        for sigma in SIGMAS:
            rows, columns = (
                torch.exp(-0.5 * ((torch.arange(length, device=cell.device) - places[..., axis, None]) / sigma) ** 2)
                for axis, length in enumerate(shape)
            )
            spread = (mine[..., None] * rows[:, None]).transpose(2, 3)
            found.append((spread @ columns[:, None]).clamp(max=1))
    return torch.stack(found, dim=2)


def likeness(
    features: Float[Tensor, "B C H W"], points: PromptPoints, owners: Int[Tensor, "B P"], padded: Size
) -> Float[Tensor, "B P 2 H W"]:
    """Return the cosine of each cell's features and their mean at the positive, and at the negative points.

    The cosine is 0 for a sign without points.

    Args:
        features: feature maps over the whole network's input.
        points: the points.
        owners: the objects; negative for padding.
        padded: height and width of the network's input.
    """
    unit = F.normalize(features, dim=1)
    under = sample_pixels(unit, points.pixels, padded)
    means = torch.stack([mine @ under for mine in _assigned(points, owners, under.dtype)], dim=2)
    return torch.einsum("bpsc,bchw->bpshw", F.normalize(means, dim=3), unit)


def _assigned(points: PromptPoints, owners: Int[Tensor, "B P"], dtype: torch.dtype) -> list[Float[Tensor, "B P N"]]:
    """Return for each sign, positive first, 1 where a point belongs to an object, else 0."""
    own = (owners[:, :, None] == points.owner[:, None]) & (owners[:, :, None] >= 0)
    return [(own & (points.positive == positive)[:, None]).to(dtype) for positive in (True, False)]
