"""Parts that compute again what their backward pass needs give the same gradients in less memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.training.config import Optimization, compute_again
from tests.networks import TINY, build, picture

FOCAL = replace(
    TINY, backbone="focalnet", backbone_levels=(0, 1, 2, 3),
    backbone_options={"embed_dim": 16, "depths": (1, 1, 3, 1), "focal_level": 2},
)  # fmt: skip
DAVIT = replace(
    TINY, backbone="davit_tiny", backbone_levels=(0, 1, 2, 3),
    backbone_options={"embed_dims": (8, 16, 16, 32), "num_heads": (1, 1, 2, 2)},
)  # fmt: skip
TIMM = replace(TINY, backbone="tf_efficientnet_lite0", backbone_levels=(1, 2, 3, 4), backbone_options={})


def step(network: SEEM, part: str) -> tuple[dict[str, torch.Tensor], int]:
    """Return the gradients of a step and the bytes that it keeps until the backward pass."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # its running averages would count a batch twice
    network.zero_grad()
    with saved_tensors_hooks(note, lambda tensor: tensor):
        if part == "backbone":
            loss: Any = sum(found.square().mean() for found in network.backbone(picture(96, 128)[None].float() / 255))
        else:
            with torch.no_grad():
                context = network.encode_image([picture(96, 128)])
            decoded = network.decode(context, objects=True, every_layer=True)
            loss = sum(layer["object_query"].masks.square().mean() for layer in decoded.layers)
    loss.backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}, sum(kept.values())


@pytest.mark.parametrize(
    ("architecture", "part", "share"),
    [
        (TINY, "decoder", 0.7),
        (TINY, "backbone", 0.9),
        (FOCAL, "backbone", 0.5),
        (TIMM, "backbone", 0.7),
        (DAVIT, "backbone", 0.45),
    ],
    ids=["decoder", "resnet", "focalnet", "timm", "davit"],
)
def test_gradients_are_the_same_in_less_memory(architecture: Architecture, part: str, share: float) -> None:
    network = build(architecture)
    wanted, before = step(network, part)
    compute_again(network, Optimization(recompute=(part,)))
    found, after = step(network, part)
    assert after < share * before
    assert found.keys() == wanted.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.parametrize("architecture", [TINY, FOCAL, TIMM], ids=["resnet", "focalnet", "timm"])
@pytest.mark.parametrize("recompute", [(), ("backbone",)])
def test_a_frozen_backbone_keeps_nothing(architecture: Architecture, recompute: tuple[Any, ...]) -> None:
    network = build(architecture)
    network.backbone.requires_grad_(False)
    compute_again(network, Optimization(recompute=recompute))
    kept = []
    with saved_tensors_hooks(lambda tensor: kept.append(tensor.nbytes) or tensor, lambda tensor: tensor):
        network.train().backbone(picture(96, 128)[None].float())
    assert kept == []


def test_a_backbone_that_cannot() -> None:
    network = build(TINY)
    network.backbone.body = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"optimization\.recompute: .* cannot do so"):
        compute_again(network, Optimization(recompute=("backbone",)))
