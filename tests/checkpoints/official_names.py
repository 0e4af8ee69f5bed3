"""A small state dict as the official code would write it, name by name."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from seemkit.nn.architecture import Architecture

SMALL = Architecture(
    backbone="focalnet",
    backbone_options={"embed_dim": 8, "depths": [1, 2, 1, 1], "focal_level": 2},
    embed_dim=32,
    num_heads=4,
    ffn_dim=24,
    encoder_layers=1,
    decoder_layers=2,
    queries=5,
    memory=4,
    text_embed_dim=16,
    text_layers=1,
    text_num_heads=2,
)
SMALL_DEFORMABLE = replace(SMALL, pixel_decoder="deformable", encoder_ffn_dim=20)


def state_dict(architecture: Architecture, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under official names, with the two buffers that hold none."""
    shapes = {
        **_focal(architecture),
        **(_fpn(architecture) if architecture.pixel_decoder == "fpn" else _deformable(architecture)),
        **_predictor(architecture),
        "criterion.empty_weight": (134,),
        "dilation_kernel": (1, 1, 3, 3),
    }
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def _pair(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _attention(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.in_proj_weight": (3 * width, width),
        f"{name}.in_proj_bias": (3 * width,),
        **_pair(f"{name}.out_proj", width, width),
    }


def _focal(a: Architecture) -> dict[str, tuple[int, ...]]:
    width, depths, levels = (a.backbone_options[key] for key in ("embed_dim", "depths", "focal_level"))
    widths = [width * 2**stage for stage in range(4)]
    found = {**_pair("patch_embed.proj", width, 3, 7, 7), **_pair("patch_embed.norm", width)}
    for stage, (c, depth) in enumerate(zip(widths, depths, strict=True)):
        found |= _pair(f"norm{stage}", c)
        if stage < 3:
            found |= _pair(f"layers.{stage}.downsample.proj", 2 * c, c, 3, 3)
            found |= _pair(f"layers.{stage}.downsample.norm", 2 * c)
        for index in range(depth):
            block = f"layers.{stage}.blocks.{index}"
            for half in "12":
                found |= _pair(f"{block}.dw{half}", c, 1, 3, 3) | _pair(f"{block}.norm{half}", c)
                found[f"{block}.gamma_{half}"] = (c,)
            found |= _pair(f"{block}.modulation.f", 2 * c + levels + 1, c) | _pair(f"{block}.modulation.h", c, c, 1, 1)
            found |= _pair(f"{block}.modulation.proj", c, c)
            found |= _pair(f"{block}.mlp.fc1", 4 * c, c) | _pair(f"{block}.mlp.fc2", c, 4 * c)
            for level in range(levels):
                found[f"{block}.modulation.focal_layers.{level}.0.weight"] = (c, 1, 3 + 2 * level, 3 + 2 * level)
    return {f"backbone.{name}": shape for name, shape in found.items()}


def _fpn(a: Architecture) -> dict[str, tuple[int, ...]]:
    w, widths = a.embed_dim, [a.backbone_options["embed_dim"] * 2**stage for stage in range(4)]
    found = _pair("input_proj", w, widths[3], 1, 1) | _pair("mask_features", w, w, 3, 3)
    for index in range(4):
        found |= {f"layer_{index + 1}.weight": (w, w, 3, 3), **_pair(f"layer_{index + 1}.norm", w)}
        if index < 3:
            found |= {f"adapter_{index + 1}.weight": (w, widths[index], 1, 1), **_pair(f"adapter_{index + 1}.norm", w)}
    layer = "transformer.encoder.layers.0"
    found |= _attention(f"{layer}.self_attn", w) | _pair(f"{layer}.norm1", w) | _pair(f"{layer}.norm2", w)
    found |= _pair(f"{layer}.linear1", a.ffn_dim, w) | _pair(f"{layer}.linear2", w, a.ffn_dim)
    return {f"sem_seg_head.pixel_decoder.{name}": shape for name, shape in found.items()}


def _deformable(a: Architecture) -> dict[str, tuple[int, ...]]:
    w, widths, hidden = (
        a.embed_dim,
        [a.backbone_options["embed_dim"] * 2**stage for stage in range(4)],
        a.encoder_ffn_dim or 0,
    )
    found = _pair("mask_features", w, w, 1, 1) | _pair("adapter_1.norm", w) | _pair("layer_1.norm", w)
    found |= {"adapter_1.weight": (w, widths[0], 1, 1), "layer_1.weight": (w, w, 3, 3)}
    found["transformer.level_embed"] = (3, w)
    for index in range(3):
        found |= _pair(f"input_proj.{index}.0", w, widths[3 - index], 1, 1) | _pair(f"input_proj.{index}.1", w)
    layer, points = "transformer.encoder.layers.0", a.num_heads * 3 * 4
    attention = f"{layer}.self_attn"
    found |= _pair(f"{attention}.sampling_offsets", 2 * points, w) | _pair(f"{attention}.attention_weights", points, w)
    found |= _pair(f"{attention}.value_proj", w, w) | _pair(f"{attention}.output_proj", w, w)
    found |= _pair(f"{layer}.norm1", w) | _pair(f"{layer}.norm2", w)
    found |= _pair(f"{layer}.linear1", hidden, w) | _pair(f"{layer}.linear2", w, hidden)
    return {f"sem_seg_head.pixel_decoder.{name}": shape for name, shape in found.items()}


def _predictor(a: Architecture) -> dict[str, tuple[int, ...]]:
    w, t = a.embed_dim, a.text_embed_dim
    found: dict[str, tuple[int, ...]] = {
        "query_feat.weight": (a.queries, w),
        "query_embed.weight": (a.queries, w),
        "level_embed.weight": (3, w),
        "spatial_featured.weight": (a.memory, w),
        "spatial_embed.weight": (a.memory, w),
        "pn_indicator.weight": (2, w),
        "class_embed": (w, w),
        **_pair("decoder_norm", w),
    }
    for index in range(3):
        found[f"mask_sptial_embed.{index}"] = (w, w)
        found |= _pair(f"mask_embed.layers.{index}", w, w)
    for index in range(a.decoder_layers):
        cross = f"transformer_cross_attention_layers.{index}"
        own, feed = f"transformer_self_attention_layers.{index}", f"transformer_ffn_layers.{index}"
        found |= _attention(f"{cross}.multihead_attn", w) | _attention(f"{own}.self_attn", w)
        found |= _pair(f"{cross}.norm", w) | _pair(f"{own}.norm", w) | _pair(f"{feed}.norm", w)
        found |= _pair(f"{feed}.linear1", a.ffn_dim, w) | _pair(f"{feed}.linear2", w, a.ffn_dim)
    text: dict[str, tuple[int, ...]] = {
        "lang_proj": (t, w),
        "logit_scale": (),
        "lang_encoder.token_embedding.weight": (49408, t),
        "lang_encoder.positional_embedding": (77, t),
        **_pair("lang_encoder.ln_final", t),
    }
    for index in range(a.text_layers):
        block = f"lang_encoder.resblocks.{index}"
        text |= _attention(f"{block}.attn", t) | _pair(f"{block}.ln_1", t) | _pair(f"{block}.ln_2", t)
        text |= _pair(f"{block}.mlp.c_fc", 4 * t, t) | _pair(f"{block}.mlp.c_proj", t, 4 * t)
    found |= {f"lang_encoder.{name}": shape for name, shape in text.items()}
    return {f"sem_seg_head.predictor.{name}": shape for name, shape in found.items()}
