from __future__ import annotations

import pytest
import torch
from torch import nn

from seemkit.errors import InputError
from seemkit.nn.backbones.backbone import Backbone
from seemkit.nn.backbones.folding import fold_batch_norms


def with_statistics(model: nn.Module) -> nn.Module:
    """The model with batch norms that change something."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
            for tensor in (module.running_var, module.weight.data):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model.eval()


@pytest.mark.parametrize("name", ["resnet10t", "tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_the_maps_stay_the_same(name: str) -> None:
    model = with_statistics(Backbone(name).body)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = model(images)
        fold_batch_norms(model)
        after = model(images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    for first, second in zip(before, after, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5 * float(first.abs().max()))


def test_folded_backbones_share_their_names() -> None:
    first, second = (Backbone("resnet10t", fold=True) for _ in range(2))
    assert first.state_dict().keys() == second.state_dict().keys()
    assert not any("running" in name for name in first.state_dict())


def test_a_batch_norm_without_convolution() -> None:
    with pytest.raises(InputError, match="batch norm '0' of Sequential follows no convolution"):
        fold_batch_norms(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)))
