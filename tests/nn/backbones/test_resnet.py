from __future__ import annotations

import pytest
import timm
import torch

from seemkit.nn.backbones.resnet import BasicBlock, ResNet

SIZES = [((8, 8, 16, 32), 8, (1, 1, 1, 1)), ((16, 24, 24, 32), 4, (2, 1, 3, 2))]


@pytest.mark.parametrize(("channels", "stem", "depths"), SIZES)
@pytest.mark.parametrize("size", [(64, 96), (70, 51)])
@pytest.mark.parametrize("training", [True, False])
def test_it_computes_what_timm_does(channels, stem, depths, size, training):
    """Names of weights, maps, and the running averages that training leaves."""
    torch.manual_seed(0)
    theirs = timm.create_model(
        "resnet10t", features_only=True, out_indices=(0, 1, 2, 3, 4),
        channels=list(channels), layers=list(depths), stem_type="deep", stem_width=stem,
    )  # fmt: skip
    for value in theirs.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.1)
    ours = ResNet(channels, stem, depths)
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, *size)
    for found, wanted in zip(ours.train(training)(images), theirs.train(training)(images), strict=True):
        torch.testing.assert_close(found, wanted)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
    assert (ours.channels, ours.strides) == (theirs.feature_info.channels(), theirs.feature_info.reduction())


def test_a_block_begins_as_its_shortcut():
    network = ResNet((8, 8, 16, 32), 4).eval()
    block, x = network.layer1[0], torch.rand(1, 8, 4, 4)
    assert isinstance(block, BasicBlock)
    torch.testing.assert_close(block(x), x)
    assert all(p.std() > 0 for name, p in network.named_parameters() if "conv" in name and p.ndim == 4)
