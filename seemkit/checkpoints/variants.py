"""The published models: their architectures, and the files of their weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from seemkit.nn.architecture import Architecture

_BACKBONES: Final[dict[str, dict[str, Any]]] = {
    "focal-t": {
        "backbone": "focalnet",
        "backbone_options": {"embed_dim": 96, "depths": [2, 2, 6, 2], "focal_level": 3},
    },
    "focal-l": {
        "backbone": "focalnet",
        "backbone_options": {"embed_dim": 192, "depths": [2, 2, 18, 2], "focal_level": 4, "depthwise": False},
    },
    "davit-d3": {"backbone": "davit_base", "backbone_options": {"channel_attn_v2": True, "down_kernel_size": 2}},
    "davit-d5": {"backbone": "davit_huge", "backbone_options": {"channel_attn_v2": True, "down_kernel_size": 3}},
    "samvit-b": {"backbone": "samvit_base_patch16", "backbone_levels": (11,)},
    "samvit-l": {"backbone": "samvit_large_patch16", "backbone_levels": (23,)},
}
_SAM: Final[dict[str, Any]] = {
    "backbone_norm_eps": 1e-6,
    "pixel_decoder": "deformable",
    "encoder_ffn_dim": 1024,
    "multiple": 1024,
    "image_side": 1024,
}
_DECODERS: Final[dict[str, dict[str, Any]]] = {
    "v1": {},
    "v0": {"visual_queries": 0},
    "demo": {"visual_queries": 0, "table": "composed"},
}


LONGEST: Final = 1333
"""Longer side at which larger images are encoded: the most that the official evaluation on COCO uses."""


def _variants() -> dict[str, Architecture]:
    found = {}
    for backbone, options in _BACKBONES.items():
        sam = backbone.startswith("samvit")
        base = replace(Architecture(), **options, **(_SAM if sam else {"image_side": LONGEST}))
        for decoder, switches in _DECODERS.items():
            if decoder == "v1" or backbone.startswith("focal"):
                found[f"{backbone}-{decoder}"] = replace(base, **switches)
    return found


VARIANTS: Final[dict[str, Architecture]] = _variants()
"""Architecture of each published model, by name."""

OFFICIAL: Final = "xdecoder/SEEM"
"""The Hugging Face repository of the published models."""

FILES: Final[dict[str, str]] = {
    "focal-t-v0": "seem_focalt_v0.pt",
    "focal-l-v0": "seem_focall_v0.pt",
    "focal-t-v1": "seem_focalt_v1.pt",
    "focal-l-v1": "seem_focall_v1.pt",
    "focal-t-demo": "seem_focalt_v0.pt",
    "focal-l-demo": "seem_focall_v0.pt",
    "samvit-b-v1": "seem_samvitb_v1.pt",
    "samvit-l-v1": "seem_samvitl_v1.pt",
}
"""File of each published model in that repository."""
