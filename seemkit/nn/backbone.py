"""Image backbones as feature pyramids: timm's, and what timm lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import timm
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.errors import InputError
from seemkit.nn.focalnet import FocalNet
from seemkit.nn.simple_pyramid import SimplePyramid

OWN: dict[str, Callable[..., nn.Module]] = {"focalnet": FocalNet}
"""Backbones that timm has not, by name."""


class Backbone(nn.Module):
    """A model that returns four feature maps, finest first.

    Args:
        name: timm's model name, for example ``"resnet10t"``, or a key of `OWN`.
        options: further arguments of `timm.create_model`, or of the own backbone.
        levels: which of the model's feature maps to return, finest first. A single one must have stride 16, and a
            simple pyramid makes four of it.
        norm_eps: epsilon of all layer norms, where the weights were trained with another one than timm's.

    Attributes:
        channels: channels of each returned map.
        strides: stride of each returned map.

    Raises:
        InputError: there is no such model.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, Any] | None = None,
        levels: Sequence[int] = (1, 2, 3, 4),
        norm_eps: float | None = None,
    ) -> None:
        super().__init__()
        self.body = _body(name, options or {}, tuple(levels))
        info: Any = self.body if name in OWN else self.body.feature_info
        self.channels: list[int] = info.channels if name in OWN else info.channels()
        self.strides: list[int] = info.strides if name in OWN else info.reduction()
        self.pyramid: SimplePyramid | None = None
        if len(self.channels) == 1:
            self.pyramid = SimplePyramid(self.channels[0])
            self.channels, self.strides = self.pyramid.channels, self.pyramid.strides
        for module in self.body.modules():
            if norm_eps is not None and isinstance(module, nn.LayerNorm):
                module.eps = norm_eps

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """The feature maps [B, C, H / stride, W / stride], finest first."""
        maps = self.body(images)
        return maps if self.pyramid is None else self.pyramid(maps[0])


def _body(name: str, options: dict[str, Any], levels: tuple[int, ...]) -> nn.Module:
    if name in OWN:
        return OWN[name](**options)
    if name not in timm.list_models(name):
        raise InputError(f"backbone.name: timm has no model {name!r}, and of its own seemkit has {', '.join(OWN)}")
    return timm.create_model(name, features_only=True, out_indices=levels, **options)
