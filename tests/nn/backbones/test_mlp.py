"""Feed-forward layers that are computed for some cells at a time."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers.mlp import Mlp
from torch import nn

from seemkit.nn.backbones import mlp
from seemkit.nn.backbones.backbone import Backbone
from seemkit.nn.backbones.mlp import MlpInParts, compute_in_parts


@pytest.mark.parametrize(("shape", "convolve"), [((2, 7, 5, 6), False), ((1, 33, 6), False), ((2, 6, 7, 5), True)])
def test_the_result_is_that_of_timm(shape, convolve, monkeypatch):
    torch.manual_seed(0)
    plain = Mlp(6, 24, use_conv=convolve).eval()
    in_parts = nn.Sequential(copy.deepcopy(plain))
    compute_in_parts(in_parts)
    monkeypatch.setattr(mlp, "CELLS", 10)
    cells: list[int] = []
    in_parts[0].fc1.register_forward_pre_hook(lambda _, given: cells.append(given[0].numel() // 6))
    x = torch.randn(shape)
    with torch.no_grad():
        torch.testing.assert_close(in_parts(x), plain(x))
    assert max(cells) <= 10
    assert sum(cells) == x.numel() // 6
    cells.clear()
    torch.testing.assert_close(in_parts(x), plain(x))  # with a gradient
    assert cells == [x.numel() // 6]


@pytest.mark.parametrize("name", ["davit_tiny", "focalnet"])
def test_backbones_compute_in_parts_under_the_same_names(name):
    options = {"embed_dim": 8, "depths": (1, 1, 1, 1)} if name == "focalnet" else {}
    backbone = Backbone(name, options)
    found = [module for module in backbone.modules() if isinstance(module, Mlp)]
    assert found
    assert all(type(module) is MlpInParts for module in found)
    assert any(name.endswith("mlp.fc1.weight") for name in backbone.state_dict())
