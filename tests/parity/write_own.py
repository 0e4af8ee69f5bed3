"""Writes the small golden of seemkit's own: ``python -m tests.parity.write_own [CONFIG ...]``, by default all of it.

It fixes what seemkit computes today, for machines that have no arrays of the official code. Write it anew only with a
change that is meant to alter numbers, after the arrays of the official code were compared.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml

from seemkit.nn.architecture import Architecture

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "own"
BASE = Architecture(
    backbone="focalnet",
    backbone_options={"embed_dim": 16, "depths": [1, 1, 2, 1], "focal_level": 2},
    embed_dim=32,
    num_heads=4,
    ffn_dim=48,
    encoder_layers=2,
    decoder_layers=4,
    queries=12,
    memory=8,
    text_embed_dim=32,
    text_layers=2,
    text_num_heads=2,
    templates=("{}.", "a photo of {}."),
)
CONFIGS = {
    "small_v1": BASE,
    "small_v0": replace(
        BASE,
        backbone_options={**BASE.backbone_options, "depthwise": False},
        pixel_decoder="deformable",
        encoder_ffn_dim=40,
        visual_queries=0,
    ),
    "small_demo": replace(
        BASE,
        backbone="davit_tiny",
        backbone_options={
            "depths": [1, 1, 1, 1],
            "embed_dims": [16, 32, 64, 128],
            "num_heads": [1, 2, 4, 8],
            "channel_attn_v2": True,
        },
        visual_queries=0,
        table="composed",
    ),
}
HEIGHT, WIDTH = 64, 96
SCENARIOS = ("enc", "generic", "spatial", "grounding", "batch2", "refimg")
COMPOSED = ("none", "stroke", "text", "referred", "stroke_text", "stroke_referred", "stroke_text_referred")


def write_inputs() -> None:
    """An image and the prompts of two objects."""
    generator = torch.Generator().manual_seed(7)
    image = torch.randn(1, 3, HEIGHT, WIDTH, generator=generator)
    pos, neg = np.zeros((2, 2, HEIGHT, WIDTH), dtype=bool)
    pos[0, 10:14, 20:26], pos[1, 40:42, 50:80], neg[0, 30:33, 60:64] = True, True, True
    pos2 = pos.copy()
    pos2[:, 20:23, 70:73] = True
    np.savez_compressed(FOLDER / "input.golden.npz", image=image.numpy(), pos=pos, neg=neg, pos2=pos2)


@torch.inference_mode()
def write_arrays(config: str, architecture: Architecture) -> None:
    """Every scenario's arrays in float64, thinned out, stored as float32."""
    from golden import Golden, parse_slice
    from scenarios import Scenarios

    (FOLDER / f"{config}.architecture.yaml").write_text(yaml.safe_dump(architecture.to_dict(), sort_keys=False))
    golden, arrays, index = Golden(FOLDER, config), {}, {}
    scenarios = Scenarios(golden, golden.network().double())
    for name, compute in scenarios.run(COMPOSED if architecture.table == "composed" else SCENARIOS):
        if "/aux" in name:
            continue  # the last layer depends on all before
        array = compute().numpy()
        scenarios.stored[name] = array  # a later scenario remembers an earlier one's masks
        cut = {4: "(slice(None, None, None), slice(None, None, 3), slice(None, None, 4), slice(None, None, 4))"}
        index[name] = {"slice": None if name.endswith("prev_mask") else cut.get(array.ndim)}
        thin = array[parse_slice(index[name]["slice"])]
        arrays[name] = thin.astype(np.float32) if thin.dtype.kind == "f" else thin
    np.savez_compressed(FOLDER / f"{config}.golden.npz", **arrays)
    (FOLDER / f"{config}.golden.index.json").write_text(json.dumps(index, indent=0) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "benchmarks"))
    FOLDER.mkdir(exist_ok=True)
    write_inputs()
    for config in sys.argv[1:] or CONFIGS:
        write_arrays(config, CONFIGS[config])
