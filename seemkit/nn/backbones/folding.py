"""Batch norms merged into the convolutions before them."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from seemkit.errors import InputError


def fold_batch_norms(model: nn.Module) -> None:
    """Merge every batch norm of a model into the convolution registered before it in the same module, in place.

    The model then computes the same as before in evaluation mode, and has no running statistics. An activation that
    timm keeps inside its batch norms stays in their place.

    Raises:
        InputError: a batch norm does not follow a convolution of as many channels.
    """
    for parent in list(model.modules()):
        before: nn.Module | None = None
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.BatchNorm2d):
                while isinstance(before, nn.Sequential):
                    before = before[-1]
                if not isinstance(before, nn.Conv2d) or before.out_channels != module.num_features:
                    raise InputError(
                        f"fold_batch_norms: batch norm {name!r} of {type(parent).__name__} follows no convolution; "
                        "use a backbone whose batch norms do, or set fold_batch_norms: false"
                    )
                _merge(before, module)
                setattr(parent, name, getattr(module, "act", nn.Identity()))
            before = module


def _merge(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)
