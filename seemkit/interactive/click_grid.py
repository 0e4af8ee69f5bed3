"""Where simulated clicks are placed: on pixels of the image, or on the coarser cells of the mask features."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.interactive.clicker import Click
from seemkit.nn.context import ImageContext
from seemkit.prompts.values import Point
from seemkit.types import Size


class ClickGrid(ABC):
    """The grid of one image, on which predicted and true masks are compared.

    Args:
        context: the encoded images.
        image: index of the image.
    """

    def __init__(self, context: ImageContext, image: int) -> None:
        self.context, self.image = context, image

    @abstractmethod
    def predicted(self, masks: Float[Tensor, "P H W"]) -> Float[Tensor, "P h w"]:
        """Return mask logits of the network on the grid."""

    @abstractmethod
    def true(self, masks: Bool[Tensor, "P H W"]) -> Bool[Tensor, "P h w"]:
        """Return masks of the image on the grid."""

    @abstractmethod
    def ignored(self, pixels: Bool[Tensor, "H W"]) -> Bool[Tensor, "h w"]:
        """Return where on the grid nobody may click, for the pixels of the image where nobody may."""

    @abstractmethod
    def place(self, click: Click) -> Point:
        """Return a click on the grid as a point of the image."""

    @abstractmethod
    def find(self, point: Point) -> Click:
        """Return a point of the image as a click on the grid."""


class PixelGrid(ClickGrid):
    """The pixels of the image, in which evaluation clicks, and training as published."""

    def predicted(self, masks: Float[Tensor, "P H W"]) -> Float[Tensor, "P h w"]:
        """Return the masks at the size of the image."""
        return self.context.restore(masks, self.image, mode="bilinear")

    def true(self, masks: Bool[Tensor, "P H W"]) -> Bool[Tensor, "P h w"]:
        """Return the same masks."""
        return masks

    def ignored(self, pixels: Bool[Tensor, "H W"]) -> Bool[Tensor, "h w"]:
        """Return the same pixels."""
        return pixels

    def place(self, click: Click) -> Point:
        """Return the middle of the pixel."""
        return Point(click.x + 0.5, click.y + 0.5, click.positive)

    def find(self, point: Point) -> Click:
        """Return the pixel of the point."""
        return Click(int(point.x), int(point.y), point.positive)


class CellGrid(ClickGrid):
    """The cells of the mask features, usually 4 x 4 pixels: 16 times less to search than pixels.

    A cell belongs to a mask that covers more than half of it. A mask that covers no cell so far has those that it
    covers most. A cell with an ignored pixel is ignored. Depths are rounded to cells, so a click can be a few pixels
    away from the deepest pixel, and errors much smaller than a cell are not clicked.
    """

    def __init__(self, context: ImageContext, image: int) -> None:
        super().__init__(context, image)
        self.cells = Size(*context.mask_features.shape[-2:])
        size, frame = context.sizes[image], context.frames[image]
        self.height = context.padded.height / self.cells.height * frame.height / size.height
        self.width = context.padded.width / self.cells.width * frame.width / size.width

    def predicted(self, masks: Float[Tensor, "P H W"]) -> Float[Tensor, "P h w"]:
        """Return the masks as the network made them."""
        return masks

    def true(self, masks: Bool[Tensor, "P H W"]) -> Bool[Tensor, "P h w"]:
        """Return which cells the masks cover."""
        if not len(masks):
            return masks.new_zeros((0, *self.cells))
        share = self._shares(masks)
        most = share.amax(dim=(1, 2), keepdim=True)
        return torch.where(most > 0.5, share > 0.5, (share == most) & (most > 0))

    def ignored(self, pixels: Bool[Tensor, "H W"]) -> Bool[Tensor, "h w"]:
        """Return the cells with such a pixel."""
        return self._shares(pixels[None])[0] > 0

    def place(self, click: Click) -> Point:
        """Return the middle of the cell, in the image."""
        frame = self.context.frames[self.image]
        x, y = (click.x + 0.5) * self.width, (click.y + 0.5) * self.height
        return Point(min(x, frame.width - 0.5), min(y, frame.height - 0.5), click.positive)

    def find(self, point: Point) -> Click:
        """Return the cell of the point."""
        return Click(int(point.x / self.width), int(point.y / self.height), point.positive)

    def _shares(self, masks: Bool[Tensor, "P H W"]) -> Float[Tensor, "P h w"]:
        """Return the share of each cell that each mask covers, 0..1."""
        size, padded = self.context.sizes[self.image], self.context.padded
        shown = masks.float()
        if tuple(shown.shape[1:]) != tuple(size):
            shown = F.interpolate(shown[None], tuple(size), mode="bilinear", antialias=True)[0]
        shown = F.pad(shown, (0, padded.width - size.width, 0, padded.height - size.height))
        return F.adaptive_avg_pool2d(shown, self.cells)
