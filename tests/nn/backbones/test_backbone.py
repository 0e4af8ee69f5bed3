from __future__ import annotations

import pytest
import torch
from torch import nn

from seemkit.errors import InputError
from seemkit.nn.backbones.backbone import Backbone
from seemkit.nn.backbones.simple_pyramid import SimplePyramid

VIT = {"img_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 2, "global_attn_indexes": [1]}


def test_an_own_backbone():
    backbone = Backbone("focalnet", {"embed_dim": 8, "depths": [1, 1, 1, 1], "focal_level": 1})
    assert (backbone.channels, backbone.strides) == ([8, 16, 32, 64], [4, 8, 16, 32])
    assert [m.shape[1] for m in backbone(torch.zeros(1, 3, 32, 32))] == backbone.channels


def test_one_map_becomes_a_simple_pyramid():
    backbone = Backbone("samvit_base_patch16", VIT, [1], norm_eps=1e-6)
    maps = backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(m.shape) for m in maps] == [(1, 128, 16, 16), (1, 256, 8, 8), (1, 512, 4, 4), (1, 1024, 2, 2)]
    assert (backbone.channels, backbone.strides) == ([128, 256, 512, 1024], [4, 8, 16, 32])


@pytest.mark.parametrize("options", [{"stem_width": 8}, {"channels": [8, 8]}])
def test_options_that_an_own_backbone_has_not(options):
    with pytest.raises(InputError, match="backbone_options: resnet"):
        Backbone("resnet", options)


@pytest.mark.parametrize("levels", [(1, 2, 3, 5), (-1, 1, 2, 3)])
def test_levels_that_an_own_backbone_has_not(levels):
    with pytest.raises(InputError, match=r"backbone_levels.* 0 to 4"):
        Backbone("resnet", {"channels": [8, 8, 16, 32], "stem": 4}, levels)


@pytest.mark.parametrize("eps", [None, 1e-6])
def test_epsilon_of_layer_norms(eps):
    backbone = Backbone("samvit_base_patch16", VIT, [1], norm_eps=eps)
    found = {m.eps for m in backbone.body.modules() if isinstance(m, nn.LayerNorm)}
    assert found == {eps or 1e-5}


def test_branches_of_the_simple_pyramid():
    kinds = [[type(m).__name__ for m in branch] for branch in SimplePyramid(64).branches]
    finish = ["Conv2d", "GroupNorm", "GELU"]
    assert kinds == [
        ["ConvTranspose2d", "GroupNorm", "GELU", "ConvTranspose2d", "GroupNorm", *finish],
        ["ConvTranspose2d", "GroupNorm", *finish],
        finish,
        ["Conv2d", "GroupNorm", *finish],
    ]
