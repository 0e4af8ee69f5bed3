"""Checkpoints of the official SEEM code and of X-Decoder under seemkit's names. No number changes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from seemkit.checkpoints.official_names import UNUSED, own_name
from seemkit.checkpoints.variants import VARIANTS
from seemkit.errors import InputError
from seemkit.nn.architecture import Architecture

_BACKBONE_MARKS = {
    "focal": "backbone.layers.0.blocks.0.modulation.f.weight",
    "davit": "backbone.convs.0.proj.weight",
    "samvit": "backbone.pos_embed",
}
QUERIES = "sem_seg_head.predictor.query_feat.weight"
_WIDTHS = {
    ("focal", 96): "focal-t",
    ("focal", 192): "focal-l",
    ("davit", 128): "davit-d3",
    ("davit", 256): "davit-d5",
    ("samvit", 768): "samvit-b",
    ("samvit", 1024): "samvit-l",
}


def guess_variant(tensors: Mapping[str, Tensor], source: str) -> str:
    """Return the name of the published model that a state dict fits.

    v0, v1 and the demo have the same names and shapes, so v1 is assumed.

    Raises:
        InputError: the state dict fits none.
    """
    for kind, mark in _BACKBONE_MARKS.items():
        if mark in tensors:
            weight = tensors[mark]
            width = weight.shape[0] if kind == "davit" else weight.shape[-1]
            name = _WIDTHS.get((kind, width))
            if name is not None:
                return f"{name}-v1"
            raise InputError(f"{source}: {mark} has {width} channels, which no published model has")
    first = ", ".join(sorted(tensors)[:3])
    raise InputError(f"{source}: no weights of SEEM: no known backbone is in it (first keys: {first})")


def architecture_of(variant: str) -> Architecture:
    """Return the architecture of a published model.

    Raises:
        InputError: no published model has this name.
    """
    if variant not in VARIANTS:
        raise InputError(f"variant {variant!r}: unknown; choose from: {', '.join(sorted(VARIANTS))}")
    return VARIANTS[variant]


def rename(tensors: Mapping[str, Tensor], architecture: Architecture, source: str = "checkpoint") -> dict[str, Tensor]:
    """Return the tensors under seemkit's names, in float32.

    Linear layers that are 1 x 1 convolutions in seemkit get that shape. Names that are not official ones stay, so that
    a check against a network finds them.

    Raises:
        InputError: the checkpoint has another number of object queries than the architecture, as most of X-Decoder's
            Focal-L files do.
    """
    given = tensors.get(QUERIES)
    if given is not None and len(given) != architecture.queries:
        raise InputError(
            f"{source}: has {len(given)} object queries, and the model {architecture.queries}; the Focal-L file of "
            "X-Decoder that fits SEEM is xdecoder_focall_last_oq101.pt"
        )
    found = {}
    for official, tensor in tensors.items():
        if official in UNUSED:
            continue
        own = own_name(official, architecture.backbone, architecture.pixel_decoder)
        found[own] = _shaped(own, tensor, architecture.backbone).float()
    return found


def _shaped(own: str, tensor: Tensor, backbone: str) -> Tensor:
    """Return the tensor in seemkit's shape: timm has convolutions instead of FocalNet's linear layers."""
    linear = backbone == "focalnet" and own.startswith("backbone.body.stages.") and tensor.ndim == 2
    return tensor[:, :, None, None] if linear else tensor
