"""Image backbones that return feature pyramids: timm's models, FocalNet, and a small ResNet that needs no timm."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from seemkit.errors import InputError
from seemkit.nn.backbones.folding import fold_batch_norms
from seemkit.nn.backbones.pretrained import load_backbone_weights
from seemkit.nn.backbones.simple_pyramid import SimplePyramid
from seemkit.nn.recompute import Blocks

OWN = {"focalnet": "seemkit.nn.backbones.focalnet.FocalNet", "resnet": "seemkit.nn.backbones.resnet.ResNet"}
"""seemkit's own backbones by name, imported only when built: one of them uses timm, which takes seconds to import."""


class Backbone(nn.Module):
    """A model that returns feature maps, finest first.

    Args:
        name: timm's model name, for example ``"davit_base"``, or a key of `OWN`.
        options: further arguments of `timm.create_model` or of seemkit's own backbone.
        levels: feature maps of the model to return, finest first. A single map must have stride 16; a simple pyramid
            turns it into four.
        norm_eps: epsilon of all layer norms, for weights trained with another epsilon than timm's.
        weights: pretrained weights: True for timm's own, which are downloaded, or a file; see `load_backbone_weights`.
        fold: merge batch norms into convolutions, see `fold_batch_norms`.

    Attributes:
        channels: channels of each returned map.
        strides: stride of each returned map.

    Raises:
        InputError: the model does not exist, one of seemkit's own does not have these options or levels, or the
            pretrained weights are missing or do not fit.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, Any] | None = None,
        levels: Sequence[int] = (0, 1, 2, 3),
        norm_eps: float | None = None,
        *,
        weights: bool | str | None = None,
        fold: bool = False,
    ) -> None:
        super().__init__()
        if name in OWN:
            if weights is True:
                raise InputError(
                    f"backbone_weights: timm has no weights of {name}, which is seemkit's own; give a file"
                )
            body: Any = _own(name, options or {})
            self.read = tuple(levels)
            channels, strides = body.channels, body.strides
        else:
            body = _timm(name, options or {}, tuple(levels), pretrained=weights is True)
            self.read = tuple(range(len(levels)))  # timm's model returns only these
            channels, strides = body.feature_info.channels(), body.feature_info.reduction()
        if not all(0 <= level < len(channels) for level in self.read):
            raise InputError(f"backbone_levels: {list(levels)}: {name} only has maps 0 to {len(channels) - 1}")
        if isinstance(weights, str):
            load_backbone_weights(body, Path(weights))
        if fold:
            fold_batch_norms(body)
        self.body: nn.Module = body
        self.channels: list[int] = [channels[level] for level in self.read]
        self.strides: list[int] = [strides[level] for level in self.read]
        self.pyramid: SimplePyramid | None = None
        if len(self.channels) == 1:
            self.pyramid = SimplePyramid(self.channels[0])
            self.channels, self.strides = self.pyramid.channels, self.pyramid.strides
        for module in self.body.modules():
            if norm_eps is not None and isinstance(module, nn.LayerNorm):
                module.eps = norm_eps

    def compute_again(self) -> None:
        """Let each block compute again what its backward pass needs, to save memory.

        Running averages of batch norms in training then count each batch twice.

        Raises:
            InputError: the model cannot do so.
        """
        own = [module for module in self.body.modules() if isinstance(module, Blocks)]
        for module in own:
            module.again = True
        if own:
            return
        stages: list[Any] = [part for part in self.body.modules() if hasattr(part, "grad_checkpointing")]
        if not stages:
            raise InputError("optimization.recompute: timm's model of this backbone cannot do so; remove it")
        for stage in stages[1:] if len(stages) > 1 else stages:  # the first is the whole, which would do it by stages
            stage.grad_checkpointing = True

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the feature maps [B, C, H / stride, W / stride], finest first."""
        maps = self.body(images)
        maps = [maps[level] for level in self.read]
        return maps if self.pyramid is None else self.pyramid(maps[0])


def _own(name: str, options: dict[str, Any]) -> nn.Module:
    module, _, kind = OWN[name].rpartition(".")
    try:
        body: nn.Module = getattr(import_module(module), kind)(**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"backbone_options: {name} cannot be built with {options}: {error}") from error
    return body


def _timm(name: str, options: dict[str, Any], levels: tuple[int, ...], *, pretrained: bool) -> nn.Module:
    import timm

    from seemkit.nn.backbones.mlp import compute_in_parts

    if name not in timm.list_models(name):
        raise InputError(f"backbone: timm has no model {name!r}; use one of timm's, or seemkit's {', '.join(OWN)}")
    try:
        model: nn.Module = timm.create_model(
            name, features_only=True, out_indices=levels, pretrained=pretrained, **options
        )
    except (OSError, RuntimeError, ValueError) as error:
        if not pretrained:
            raise
        raise InputError(
            f"backbone_weights: timm's weights of {name} cannot be loaded ({type(error).__name__}); where there is no "
            "network, give a file"
        ) from error
    compute_in_parts(model)
    return model
