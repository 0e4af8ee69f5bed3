"""Image backbones from timm, as feature pyramids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.errors import InputError


class Backbone(nn.Module):
    """A timm model that returns four feature maps, finest first.

    Args:
        name: timm's model name, for example ``"resnet10t"``.
        options: further arguments of `timm.create_model`.
        levels: which of the model's feature maps to return, finest first.

    Attributes:
        channels: channels of each returned map.
        strides: stride of each returned map.

    Raises:
        InputError: timm has no such model.
    """

    def __init__(self, name: str, options: dict[str, Any] | None = None, levels: Sequence[int] = (1, 2, 3, 4)) -> None:
        super().__init__()
        if name not in timm.list_models(name):
            raise InputError(f"backbone.name: timm has no model {name!r}; see timm.list_models()")
        self.body = timm.create_model(name, features_only=True, out_indices=tuple(levels), **(options or {}))
        maps: Any = self.body.feature_info
        self.channels: list[int] = maps.channels()
        self.strides: list[int] = maps.reduction()

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """The feature maps [B, C, H / stride, W / stride], finest first."""
        return self.body(images)
