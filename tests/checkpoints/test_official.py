from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from seemkit.checkpoints.format import fill
from seemkit.checkpoints.official import architecture_of, guess_variant, rename
from seemkit.checkpoints.variants import VARIANTS
from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from tests.checkpoints.official_names import SMALL, SMALL_DEFORMABLE, state_dict

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("architecture", [SMALL, SMALL_DEFORMABLE], ids=["fpn", "deformable"])
def test_every_name_finds_its_place_and_no_number_changes(architecture):
    official, network = state_dict(architecture), SEEM(architecture)
    renamed = rename(official, architecture)
    assert len(renamed) == len(official) - 2
    fill(network, renamed, "checkpoint")
    filled = torch.cat([value.flatten() for value in network.state_dict().values()]).sort().values
    given = [
        value.flatten()
        for name, value in official.items()
        if name.split(".")[0] not in ("criterion", "dilation_kernel")
    ]
    assert torch.equal(filled, torch.cat(given).sort().values)


@pytest.mark.parametrize(
    ("official", "own"),
    [
        ("backbone.patch_embed.proj.bias", "backbone.body.stem.proj.bias"),
        ("backbone.layers.1.downsample.proj.bias", "backbone.body.stages.2.downsample.proj.bias"),
        ("backbone.layers.1.blocks.1.norm2.bias", "backbone.body.stages.1.blocks.1.norm2_post.bias"),
        ("sem_seg_head.pixel_decoder.adapter_3.norm.bias", "pixel_decoder.laterals.2.1.bias"),
        ("sem_seg_head.predictor.spatial_embed.weight", "queries.memory_position.weight"),
        ("sem_seg_head.predictor.query_embed.weight", "queries.position.weight"),
        ("sem_seg_head.predictor.mask_sptial_embed.2", "sampler.level_projection.2"),
        (
            "sem_seg_head.predictor.transformer_self_attention_layers.1.norm.bias",
            "decoder.layers.1.self_norm.bias",
        ),
    ],
)
def test_single_names(official, own):
    tensors = state_dict(SMALL)
    assert torch.equal(rename(tensors, SMALL)[own], tensors[official])


def test_another_number_of_queries_names_the_file_to_take():
    tensors = state_dict(SMALL)
    tensors["sem_seg_head.predictor.query_feat.weight"] = torch.zeros(201, SMALL.embed_dim)
    with pytest.raises(InputError, match=r"x\.pt: has 201 object queries.*xdecoder_focall_last_oq101\.pt"):
        rename(tensors, SMALL, "x.pt")


def test_float64_becomes_float32():
    tensors = {name: value.double() for name, value in state_dict(SMALL).items()}
    assert {value.dtype for value in rename(tensors, SMALL).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "shape", "variant"),
    [
        ("backbone.layers.0.blocks.0.modulation.f.weight", (196, 96), "focal-t-v1"),
        ("backbone.layers.0.blocks.0.modulation.f.weight", (389, 192), "focal-l-v1"),
        ("backbone.convs.0.proj.weight", (128, 3, 7, 7), "davit-d3-v1"),
        ("backbone.convs.0.proj.weight", (256, 3, 7, 7), "davit-d5-v1"),
        ("backbone.pos_embed", (1, 64, 64, 768), "samvit-b-v1"),
        ("backbone.pos_embed", (1, 64, 64, 1024), "samvit-l-v1"),
    ],
)
def test_guessing(name, shape, variant):
    assert guess_variant({name: torch.empty(shape)}, "x.pt") == variant


def test_nothing_to_guess_from():
    with pytest.raises(InputError, match=r"x\.pt: no weights of SEEM.*layer1\.conv"):
        guess_variant({"layer1.conv": torch.empty(1)}, "x.pt")
    with pytest.raises(InputError, match=r"x\.pt: backbone\.pos_embed has 384 channels"):
        guess_variant({"backbone.pos_embed": torch.empty(1, 64, 64, 384)}, "x.pt")


def test_unknown_variant():
    with pytest.raises(InputError, match=r"variant 'focal-x'.*davit-d3-v1"):
        architecture_of("focal-x")


@pytest.mark.parametrize(
    ("config", "variant"),
    [
        ("seem_focal_t", "focal-t-v1"),
        ("seem_focal_l", "focal-l-v1"),
        ("seem_davit", "davit-d3-v1"),
        ("seem_davit_d5", "davit-d5-v1"),
        ("seem_samvit_b", "samvit-b-v1"),
        ("seem_samvit_l", "samvit-l-v1"),
    ],
)
def test_configs_hold_the_published_architectures(config, variant):
    content = yaml.safe_load((CONFIGS / f"{config}.yaml").read_text())
    assert Architecture.from_dict(content["model"]["architecture"]) == VARIANTS[variant]


def test_the_published_models():
    names = {f"{backbone}-{version}" for backbone in ("focal-t", "focal-l") for version in ("v0", "v1", "demo")}
    names |= {f"{backbone}-v1" for backbone in ("davit-d3", "davit-d5", "samvit-b", "samvit-l")}
    assert set(VARIANTS) == names
