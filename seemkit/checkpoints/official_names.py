"""Names in the official state dict, and seemkit's names for them. Official misspellings are part of the format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

Rules: TypeAlias = Sequence[tuple[str, str]]
"""Patterns with replacements, applied to a name in order."""

UNUSED: Final = ("criterion.empty_weight", "dilation_kernel")
"""Buffers of the official model that are not weights."""

_DECODER: Final[Rules] = (
    (r"^query_feat", "queries.value"),
    (r"^query_embed", "queries.position"),
    (r"^spatial_featured", "queries.memory_value"),
    (r"^spatial_embed", "queries.memory_position"),
    (r"^level_embed", "level_embedding"),
    (r"^pn_indicator", "sampler.sign"),
    (r"^mask_sptial_embed", "sampler.level_projection"),
    (r"^class_embed", "decoder.heads.class_projection"),
    (r"^decoder_norm", "decoder.heads.norm"),
    (r"^mask_embed\.layers", "decoder.heads.mask_embedding"),
    (r"^transformer_cross_attention_layers\.(\d+)\.multihead_attn", r"decoder.layers.\1.cross_attention"),
    (r"^transformer_cross_attention_layers\.(\d+)\.norm", r"decoder.layers.\1.cross_norm"),
    (r"^transformer_self_attention_layers\.(\d+)\.self_attn", r"decoder.layers.\1.self_attention"),
    (r"^transformer_self_attention_layers\.(\d+)\.norm", r"decoder.layers.\1.self_norm"),
    (r"^transformer_ffn_layers\.(\d+)", r"decoder.layers.\1.feed_forward"),
)
_LANGUAGE: Final[Rules] = (
    (r"^lang_proj", "projection"),
    (r"^lang_encoder\.ln_final", "final_norm"),
    (r"^lang_encoder\.resblocks", "transformer.resblocks"),
    (r"^lang_encoder\.", ""),
)
_PIXEL_DECODER: Final[Rules] = (
    (r"^transformer\.encoder\.layers\.(\d+)\.self_attn", r"encoder.\1.attention"),
    (r"^transformer\.encoder\.layers\.(\d+)\.norm1", r"encoder.\1.norm"),
    (r"^transformer\.encoder\.layers\.(\d+)\.norm2", r"encoder.\1.feed_forward.norm"),
    (r"^transformer\.encoder\.layers\.(\d+)\.linear", r"encoder.\1.feed_forward.linear"),
    (r"^mask_features", "mask_projection"),
    (r"^(adapter_\d|layer_\d)\.(weight|bias)", r"\1.0.\2"),
    (r"^(adapter_\d|layer_\d)\.norm", r"\1.1"),
)
_FPN: Final[Rules] = (
    *_PIXEL_DECODER,
    (r"^input_proj\.", "input_projection."),
    *((rf"^adapter_{i + 1}", f"laterals.{i}") for i in range(3)),
    *((rf"^layer_{i + 1}", f"outputs.{i}") for i in range(4)),
)
_DEFORMABLE: Final[Rules] = (
    *_PIXEL_DECODER,
    (r"attention\.sampling_offsets", "attention.offsets"),
    (r"attention\.attention_weights", "attention.weights"),
    (r"attention\.(value|output)_proj", r"attention.\1_projection"),
    (r"^transformer\.level_embed", "level_embedding"),
    (r"^input_proj\.", "inputs."),
    (r"^adapter_1", "lateral"),
    (r"^layer_1", "output"),
)
_FOCAL: Final[Rules] = (
    (r"^patch_embed", "body.stem"),
    (r"^norm(\d)", r"body.norms.\1"),
    *((rf"^layers\.{i}\.downsample", f"body.stages.{i + 1}.downsample") for i in range(3)),
    (r"^layers\.(\d)\.blocks\.", r"body.stages.\1.blocks."),
    (r"\.gamma_([12])$", r".ls\1.gamma"),
    (r"\.norm([12])\.", r".norm\1_post."),
)
_DAVIT: Final[Rules] = (
    (r"^convs\.0\.proj", "body.stem.conv"),
    (r"^convs\.0\.norm", "body.stem.norm"),
    (r"^convs\.(\d)\.proj", r"body.stages_\1.downsample.conv"),
    (r"^convs\.(\d)\.norm", r"body.stages_\1.downsample.norm"),
    (r"^blocks\.(\d)\.(\d+)\.spatial_block", r"body.stages_\1.blocks.\2.0"),
    (r"^blocks\.(\d)\.(\d+)\.channel_block", r"body.stages_\1.blocks.\2.1"),
    (r"\.conv([12])\.fn\.dw", r".cpe\1.proj"),
    (r"\.(window|channel)_attn\.norm", ".norm1"),
    (r"\.(window|channel)_attn\.fn", ".attn"),
    (r"\.ffn\.norm", ".norm2"),
    (r"\.ffn\.fn\.net", ".mlp"),
)
_SAM: Final[Rules] = (
    *((rf"^neck\.down_{4 * 2**i}\.", f"pyramid.branches.{i}.") for i in range(4)),
    (r"^(blocks|patch_embed|pos_embed)", r"body.model.\1"),
    (r"\.mlp\.lin([12])", r".mlp.fc\1"),
)
_BACKBONES: Final[dict[str, Rules]] = {"focalnet": _FOCAL, "davit": _DAVIT, "samvit": _SAM}
_PIXEL_DECODERS: Final[dict[str, Rules]] = {"fpn": _FPN, "deformable": _DEFORMABLE}


def own_name(official: str, backbone: str, pixel_decoder: str) -> str:
    """Return seemkit's name for a weight of the official state dict; the result is undefined for any other name.

    Args:
        official: name in the official state dict.
        backbone: `Architecture.backbone` of a published model.
        pixel_decoder: `Architecture.pixel_decoder`.
    """
    parts = (
        ("backbone.", "backbone.", next(rules for name, rules in _BACKBONES.items() if backbone.startswith(name))),
        ("sem_seg_head.pixel_decoder.", "pixel_decoder.", _PIXEL_DECODERS[pixel_decoder]),
        ("sem_seg_head.predictor.lang_encoder.", "language.", _LANGUAGE),
        ("sem_seg_head.predictor.", "", _DECODER),
    )
    for prefix, own_prefix, rules in parts:
        if official.startswith(prefix):
            name = official.removeprefix(prefix)
            for pattern, replacement in rules:
                name = re.sub(pattern, replacement, name)
            return own_prefix + name
    return official
